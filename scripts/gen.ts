// Generates src/spec/engine/*.gen.ts from the Engine API's swagger file, which stays outside the repository:
// names, types and codes are facts and carry over, sentences do not. What Berth adds to the API stands in
// src/spec/engine/extensions/*.yaml, in the same form, with paths below /berth/.
// Also src/spec/buildkit/*.gen.ts from the .proto files beside them.
// usage: bun scripts/gen.ts [--check]   (--check: fail when a generated file is stale)
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { addExtensions } from "./gen/extensions.ts";
import { operationsFile } from "./gen/operations.ts";
import { schemasFile } from "./gen/schemas.ts";
import { protoFiles } from "./gen/protos.ts";
import { typesFile } from "./gen/types.ts";
import type { Swagger } from "./gen/swagger.ts";

const source = new URL("../../shared/reference/docker-engine-api-v1.56.swagger.yaml", import.meta.url);
const target = new URL("../src/spec/engine/", import.meta.url);
const check = process.argv.includes("--check");

const files: Record<string, string> = {};
for (const folder of ["buildkit"]) {
  const made = await protoFiles(new URL(`../${folder}/`, target).pathname);
  for (const [name, text] of Object.entries(made)) files[`../${folder}/${name}`] = text;
}
if (existsSync(source)) {
  const swagger = await addExtensions(parse(await Bun.file(source).text()) as Swagger, new URL("extensions/", target));
  files["types.gen.ts"] = typesFile(swagger);
  files["operations.gen.ts"] = operationsFile(swagger);
  files["schemas.gen.ts"] = schemasFile(swagger);
} else console.log("files made from ../shared: not checked, it is not here");

const shown = (name: string): string => join("src/spec/engine", name);
let stale = 0;
for (const [name, text] of Object.entries(files)) {
  const file = Bun.file(new URL(name, target));
  const old = (await file.exists()) ? await file.text() : "";
  if (old === text) continue;
  stale++;
  console.log(check ? `stale: ${shown(name)} (run: npm run gen)` : `wrote ${shown(name)}`);
  if (!check) await Bun.write(file, text);
}
process.exit(check && stale > 0 ? 1 : 0);
