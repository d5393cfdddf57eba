import { ExitError } from "../exit-error.ts";

/** What a credential helper keeps: docker-credential-helpers, "credentials.Credentials". */
export interface HelperEntry {
  readonly ServerURL?: string;
  readonly Username: string;
  readonly Secret: string;
}

/** A helper that asks the desktop may wait for a person; one that hangs must not hang us forever. */
const timeoutMs = 2 * 60 * 1000;
/** The text of a helper that has nothing for a server. */
const notFound = "credentials not found in native keychain";

/** Asks `docker-credential-<name>` for a server's credentials; undefined when it has none. */
export async function helperGet(name: string, server: string): Promise<HelperEntry | undefined> {
  const { status, output, failure } = await runHelper(name, "get", server);
  if (status === 0) return readEntry(name, output);
  if (output.trim() === notFound) return undefined;
  throw failed("getting credentials", failure, output);
}

/** Gives credentials to the helper. */
export async function helperStore(name: string, entry: Required<HelperEntry>): Promise<void> {
  const { status, output, failure } = await runHelper(name, "store", JSON.stringify(entry));
  if (status !== 0) throw failed("storing credentials", failure, output);
}

/** Removes a server's credentials; none there is no failure. */
export async function helperErase(name: string, server: string): Promise<void> {
  const { status, output, failure } = await runHelper(name, "erase", server);
  if (status !== 0 && output.trim() !== notFound) throw failed("erasing credentials", failure, output);
}

/** The servers that the helper has credentials for. */
export async function helperList(name: string): Promise<string[]> {
  const { status, output, failure } = await runHelper(name, "list", "unused");
  if (status !== 0) throw failed("listing credentials", failure, output);
  const value = readJson(name, output);
  return value !== null && typeof value === "object" ? Object.keys(value) : [];
}

const failed = (doing: string, failure: string, output: string): ExitError =>
  new ExitError(1, `error ${doing} - err: ${failure}, out: \`${output.trim()}\``);

function readEntry(name: string, output: string): HelperEntry {
  const value = readJson(name, output);
  if (value !== null && typeof value === "object" && "Username" in value && "Secret" in value) {
    const { Username, Secret } = value;
    if (typeof Username === "string" && typeof Secret === "string") return { Username, Secret };
  }
  throw new ExitError(1, `docker-credential-${name} gave no credentials`); // its answer may hold a secret: not shown
}

function readJson(name: string, output: string): unknown {
  try {
    return JSON.parse(output) as unknown;
  } catch {
    throw new ExitError(1, `docker-credential-${name} did not answer in JSON`); // not shown either
  }
}

async function runHelper(
  name: string,
  action: string,
  input: string,
): Promise<{ status: number; output: string; failure: string }> {
  const program = `docker-credential-${name}`;
  // a name is no path: config.json must not choose a program outside PATH
  const path = name.includes("/") ? null : Bun.which(program);
  if (path === null)
    return { status: 127, output: "", failure: `exec: "${program}": executable file not found in $PATH` };
  const child = Bun.spawn([path, action], {
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "inherit",
    timeout: timeoutMs,
  });
  const [output, status] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  return {
    status,
    output,
    failure: child.signalCode === null ? `exit status ${status}` : `signal: ${child.signalCode}`,
  };
}
