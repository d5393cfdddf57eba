import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CommandContext } from "../command.ts";
import { ExitError } from "../exit-error.ts";

const deadlineMs = 10 * 60 * 1000; // a collection of a large registry

/** Where the registry to administer is; the same flags for every command. */
export const registryFlags = {
  root: { type: "string", default: "/var/lib/berth/registry", help: "Root of a registry on this machine" },
  server: { type: "string", help: "Address of a registry (https://host:port) instead, with --login" },
  login: { type: "string", help: "Administrator of that registry; the password is in BERTH_REGISTRY_PASSWORD" },
} as const;

export interface RegistryFlagValues {
  readonly root: string;
  readonly server: string | undefined;
  readonly login: string | undefined;
}

/** Asks the administration API of a registry; gives the answer's JSON. Throws ExitError with the registry's text. */
export async function administer<Answer = unknown>(
  { flags, env }: { flags: RegistryFlagValues; env: CommandContext["env"] },
  request: string,
  body?: object,
): Promise<Answer> {
  const [method = "GET", path = ""] = request.split(" ");
  const place = flags.server === undefined ? localPlace(flags.root) : remotePlace(flags, env);
  let answer: Response;
  try {
    answer = await fetch(`${place.base}/berth/v1/${path}`, {
      method,
      redirect: "error",
      signal: AbortSignal.timeout(deadlineMs),
      ...place.init,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ExitError(1, `no registry answers at ${flags.server ?? flags.root}: ${why}`);
  }
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text) as Answer;
  throw new ExitError(1, failureText(text) ?? `the registry answered ${answer.status}`);
}

/** Root reaches the registry of its machine without a password. */
function localPlace(root: string): { base: string; init: RequestInit } {
  const unix = join(root, "admin.sock");
  if (!existsSync(unix))
    throw new ExitError(1, `no registry serves ${root}: start it with "berth registry serve --root ${root}"`);
  return { base: "http://localhost", init: { unix } as RequestInit };
}

function remotePlace(
  { server = "", login }: RegistryFlagValues,
  env: CommandContext["env"],
): { base: string; init: RequestInit } {
  const url = URL.parse(server);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new ExitError(1, `invalid address ${JSON.stringify(server)}: want https://host:port`);
  if (login === undefined) throw new ExitError(1, "--server needs --login NAME");
  const password = env["BERTH_REGISTRY_PASSWORD"] ?? "";
  const credentials = Buffer.from(`${login}:${password}`).toString("base64");
  return { base: url.origin, init: { headers: { Authorization: `Basic ${credentials}` } } };
}

function failureText(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { errors?: { message?: string }[] }).errors?.[0]?.message;
  } catch {
    return undefined; // something else than a registry answered
  }
}
