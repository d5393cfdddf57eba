import { Glob } from "bun";
import { parse } from "yaml";
import type { Swagger } from "./swagger.ts";

/** The swagger document with the operations, definitions and properties that Berth adds. Throws for a name that is taken. */
export async function addExtensions(swagger: Swagger, folder: URL): Promise<Swagger> {
  const whole: Swagger = { ...swagger, paths: { ...swagger.paths }, definitions: { ...swagger.definitions } };
  for (const name of [...new Glob("*.yaml").scanSync(folder.pathname)].sort()) {
    const added = parse(await Bun.file(new URL(name, folder)).text()) as Partial<Swagger> & {
      /** Properties that definitions of Docker's get beside their own. */
      extend?: Record<string, NonNullable<Swagger["definitions"][string]["properties"]>>;
    };
    for (const [path, methods] of Object.entries(added.paths ?? {})) {
      // moby has these without saying so in its document
      if (!path.startsWith("/berth/") && path !== "/grpc" && path !== "/build/cancel")
        throw new Error(`${name}: ${path} is not below /berth/`);
      if (path in whole.paths) throw new Error(`${name}: ${path} is there already`);
      whole.paths[path] = methods;
    }
    for (const [definition, schema] of Object.entries(added.definitions ?? {})) {
      if (definition in whole.definitions) throw new Error(`${name}: the definition ${definition} is there already`);
      whole.definitions[definition] = schema;
    }
    for (const [definition, properties] of Object.entries(added.extend ?? {})) {
      const known = whole.definitions[definition];
      if (!known) throw new Error(`${name}: there is no definition ${definition} to extend`);
      for (const property of Object.keys(properties))
        if (property in (known.properties ?? {}))
          throw new Error(`${name}: ${definition}.${property} is there already`);
      whole.definitions[definition] = { ...known, properties: { ...known.properties, ...properties } };
    }
  }
  return whole;
}
