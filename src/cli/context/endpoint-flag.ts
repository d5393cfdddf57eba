import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { errorMessage } from "../../base/errors.ts";
import type { FlagRow } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { splitCommas } from "../values/csv.ts";
import { openFailure } from "../values/env-file.ts";
import { findContext } from "./default-context.ts";
import type { DockerEndpoint, TlsMaterial } from "./store.ts";

/** `--docker host=tcp://...,ca=FILE,cert=FILE,key=FILE,skip-tls-verify=BOOL`, or `from=CONTEXT`. */
export const endpointFlag = {
  type: "stringArray",
  valueName: "stringToString",
  help: 'set the docker endpoint: "host=ADDRESS", "ca=FILE", "cert=FILE", "key=FILE", "skip-tls-verify=BOOL", "from=CONTEXT", by commas',
  defaultText: "[]",
} as const satisfies FlagRow;

const known = ["from", "host", "ca", "cert", "key", "skip-tls-verify"];

/** The endpoint that the flag describes. Throws docker's texts. */
export function readEndpoint(
  values: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  configDir: string,
): { endpoint: DockerEndpoint; tls: TlsMaterial } {
  try {
    return read(values, env, configDir);
  } catch (error) {
    throw new ExitError(1, `unable to create docker endpoint config: ${errorMessage(error)}`);
  }
}

function read(values: readonly string[], env: Readonly<Record<string, string | undefined>>, configDir: string) {
  const settings = new Map(
    splitCommas(values).map((pair) => {
      const equals = pair.indexOf("=");
      if (equals < 0) throw new Error(`${pair} must be formatted as key=value`);
      return [pair.slice(0, equals), pair.slice(equals + 1)] as const;
    }),
  );
  const unknown = [...settings.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined) throw new Error(`unrecognized config key: ${unknown}`);
  const from = settings.get("from");
  if (from !== undefined) {
    const { context, tls } = findContext(from, env, configDir);
    if (context.Endpoints.docker === undefined) throw new Error(`context "${from}" has no docker endpoint`);
    return { endpoint: context.Endpoints.docker, tls };
  }
  const skip = settings.get("skip-tls-verify") ?? "false";
  if (!/^(true|false|1|0|t|f|T|F|TRUE|FALSE|True|False)$/.test(skip))
    throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(skip)}: invalid syntax`);
  const tls: Record<string, string> = {};
  for (const name of ["ca", "cert", "key"]) {
    const path = settings.get(name);
    if (path !== undefined && path !== "") tls[`${name}.pem`] = readPem(path);
  }
  if (!/^(unix|npipe|ssh):/.test(settings.get("host") ?? "")) checkPems(tls);
  return { endpoint: { Host: settings.get("host") ?? "", SkipTLSVerify: /^(1|t)/i.test(skip) }, tls };
}

function checkPems(tls: TlsMaterial): void {
  const invalid = (why: string): Error => new Error(`invalid docker endpoint options: ${why}`);
  const { "ca.pem": ca, "key.pem": key, "cert.pem": certificate } = tls;
  if (ca !== undefined && !isReadable(() => new X509Certificate(ca)))
    throw invalid("failed to retrieve context tls info: ca.pem seems invalid");
  if (key !== undefined && certificate !== undefined && !isReadable(() => createPrivateKey(key)))
    throw invalid("no valid private key found");
}

function isReadable(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`open ${path}: ${openFailure(error)}`, { cause: error });
  }
}
