// Generates src/spec/engine/*.gen.ts from the Engine API's swagger file, which stays outside the repository:
// names, types and codes are facts and carry over, sentences do not. What Berth adds to the API stands in
// src/spec/engine/extensions/*.yaml, in the same form, with paths below /berth/.
// usage: bun scripts/gen.ts [--check]   (--check: fail when a generated file is stale)
import { existsSync } from "node:fs";
import { parse } from "yaml";
import { addExtensions } from "./gen/extensions.ts";
import { operationsFile } from "./gen/operations.ts";
import { schemasFile } from "./gen/schemas.ts";
import { typesFile } from "./gen/types.ts";
import type { Swagger } from "./gen/swagger.ts";

const source = new URL("../../shared/reference/docker-engine-api-v1.56.swagger.yaml", import.meta.url);
const target = new URL("../src/spec/engine/", import.meta.url);
const check = process.argv.includes("--check");

if (!existsSync(source)) {
  console.log("generated files: not checked, ../shared is not here");
  process.exit(0);
}
const swagger = await addExtensions(parse(await Bun.file(source).text()) as Swagger, new URL("extensions/", target));
const files = {
  "types.gen.ts": typesFile(swagger),
  "operations.gen.ts": operationsFile(swagger),
  "schemas.gen.ts": schemasFile(swagger),
};

let stale = 0;
for (const [name, text] of Object.entries(files)) {
  const file = Bun.file(new URL(name, target));
  const old = (await file.exists()) ? await file.text() : "";
  if (old === text) continue;
  stale++;
  console.log(check ? `stale: src/spec/engine/${name} (run: npm run gen)` : `wrote src/spec/engine/${name}`);
  if (!check) await Bun.write(file, text);
}
process.exit(check && stale > 0 ? 1 : 0);
