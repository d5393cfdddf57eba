import { readFileSync } from "node:fs";
import { ExitError } from "../exit-error.ts";
import { parseCsvLine } from "../values/csv.ts";
import { openFailure } from "../values/env-file.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** `a=b c=d`; a bare name takes the value of the environment, or is left out. */
export function readBuildArgs(rows: readonly string[], env: Environment): Record<string, string> {
  const args: Record<string, string> = {};
  for (const row of rows) {
    const equals = row.indexOf("=");
    const name = equals < 0 ? row : row.slice(0, equals);
    if (name === "") throw new ExitError(1, `invalid build argument ${JSON.stringify(row)}`);
    const value = equals < 0 ? env[name] : row.slice(equals + 1);
    if (value !== undefined) args[name] = value;
  }
  return args;
}

/** `id=x,src=file` or `id=x,env=NAME`, as base64 by id. */
export function readSecrets(rows: readonly string[], env: Environment): Record<string, string> {
  const secrets: Record<string, string> = {};
  for (const row of rows) {
    const fields = fieldsOf(row, "secret");
    const id = fields["id"] ?? "";
    if (id === "") throw new ExitError(1, `secret ${JSON.stringify(row)} has no id`);
    const source = fields["src"] ?? fields["source"];
    const variable = fields["env"] ?? (source === undefined || fields["type"] === "env" ? (source ?? id) : undefined);
    const fromVariable = variable === undefined ? undefined : env[variable];
    if (fields["type"] !== "file" && fromVariable !== undefined)
      secrets[id] = Buffer.from(fromVariable).toString("base64");
    else {
      const path = source ?? id;
      try {
        secrets[id] = readFileSync(path).toString("base64");
      } catch (error) {
        throw new ExitError(1, `failed to stat ${path}: ${openFailure(error)}`);
      }
    }
  }
  return secrets;
}

/** `default`, `id=socket`: sockets of agents on this host. */
export function readSsh(rows: readonly string[], env: Environment, host: string): Record<string, string> {
  if (rows.length > 0 && !host.startsWith("unix://"))
    throw new ExitError(1, "--ssh needs a daemon on this host: agents are not forwarded over the network");
  return Object.fromEntries(
    rows.map((row) => {
      const equals = row.indexOf("=");
      const id = equals < 0 ? row : row.slice(0, equals);
      const path = equals < 0 ? env["SSH_AUTH_SOCK"] : row.slice(equals + 1);
      if (!path) throw new ExitError(1, `invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set`);
      return [id || "default", path];
    }),
  );
}

/** `type=registry,ref=x` or a bare reference. */
export function readCaches(rows: readonly string[]): Record<string, string>[] {
  return rows.map((row) => (row.includes("=") ? fieldsOf(row, "cache") : { type: "registry", ref: row }));
}

function fieldsOf(row: string, what: string): Record<string, string> {
  return Object.fromEntries(
    parseCsvLine(row).map((field) => {
      const equals = field.indexOf("=");
      if (equals < 1) throw new ExitError(1, `invalid ${what} field ${JSON.stringify(field)}: it is key=value`);
      return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
    }),
  );
}
