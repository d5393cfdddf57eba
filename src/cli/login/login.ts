import { join } from "node:path";
import { ApiError } from "../../client/engine-client.ts";
import { command, type CommandContext } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { type Credential, findCredential, storeCredential } from "./credentials.ts";
import { Answers } from "./answers.ts";
import { hubAddress, serverKey } from "./registry-name.ts";

export const login = command({
  path: "login",
  args: "[SERVER]",
  arity: { min: 0, max: 1 },
  summary: "Authenticate to a registry",
  flags: {
    password: { type: "string", short: "p", help: "Password or Personal Access Token (PAT)" },
    "password-stdin": { type: "bool", help: "Take the Password or Personal Access Token (PAT) from stdin" },
    username: { type: "string", short: "u", help: "Username" },
  },
  async run(context) {
    const {
      flags,
      args: [address = ""],
      set,
      stdin,
      stdout,
      stderr,
      configDir,
    } = context;
    let { password } = flags;
    const username = (flags.username ?? "").trim();
    if (password !== undefined) {
      stderr.write("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
      if (flags["password-stdin"])
        throw new ExitError(1, "conflicting options: cannot specify both --password and --password-stdin");
    }
    if (flags["password-stdin"]) {
      if (username === "") throw new ExitError(1, "the --password-stdin option requires --username to be set");
      password = (await readAll(stdin)).replace(/\n$/, "").replace(/\r$/, "");
    }
    if (set.has("username") && username === "") throw new ExitError(1, "username is empty");
    if (password === "") throw new ExitError(1, "password is empty");
    const server = serverKey(address);
    const status = await authenticate({ server, username, password, context });
    const { plainText } = await storeCredential(configDir, server, status.credential).catch((error: unknown) => {
      throw new ExitError(1, `Error saving credentials: ${error instanceof Error ? error.message : String(error)}`);
    });
    if (plainText)
      stderr.write(
        `\nWARNING! Your credentials are stored unencrypted in '${join(configDir, "config.json")}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n`,
      );
    stdout.write(`${status.text}\n`);
  },
});

interface Attempt {
  readonly server: string;
  readonly username: string;
  readonly password: string | undefined;
  readonly context: Pick<CommandContext, "engine" | "stdin" | "stdout" | "stderr" | "configDir">;
}

/** Tries what is kept when nothing was given, then asks. */
async function authenticate({ server, username, password, context }: Attempt) {
  const { configDir, stderr } = context;
  const kept =
    username === "" && password === undefined
      ? await findCredential(configDir, server).catch(() => undefined) // a helper that fails: docker asks then
      : undefined;
  if (kept !== undefined) {
    const user = kept.username === "" ? "" : ` [Username: ${kept.username}]`;
    stderr.write(
      `Authenticating with existing credentials...${user}\n\n Info -> To login with a different account, run 'docker logout' followed by 'docker login'\n\n\n`,
    );
    try {
      return await check(context, server, kept);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      stderr.write(
        error.status === 401
          ? "Stored credentials invalid or expired\n"
          : `Login did not succeed, error: ${error.message}\n`,
      );
    }
  }
  const typed = await ask({ server, username: username || (kept?.username ?? ""), password, context });
  return check(context, server, { ...typed, identityToken: "" });
}

async function ask({ server, username, password, context }: Attempt) {
  if (username !== "" && password !== undefined) return { username, password };
  const { stdin, stdout } = context;
  if (stdin.isTTY !== true) throw new ExitError(1, "Error: Cannot perform an interactive login from a non TTY device");
  const reader = new Answers(stdin);
  try {
    if (username === "") {
      if (server === hubAddress)
        stdout.write(
          "Log in with your Docker ID or email address to push and pull images from Docker Hub. If you don't have a Docker ID, head over to https://hub.docker.com/ to create one.\n",
        );
      stdout.write("Username: ");
      username = (await reader.line()).trim();
      if (username === "") throw new ExitError(1, "Error: Non-null Username Required");
    }
    if (password === undefined) {
      stdout.write("Password: ");
      password = await reader.secret();
      stdout.write("\n");
      if (password === "") throw new ExitError(1, "Error: Password Required");
    }
    return { username, password };
  } finally {
    reader.close();
  }
}

/** Asks the daemon to ask the registry. What is kept afterwards is a token in the password's place, where one was given. */
async function check(context: Attempt["context"], server: string, credential: Credential) {
  const { username, password, identityToken } = credential;
  const reply = await context.engine.call("SystemAuth", {}, {
    username,
    password,
    serveraddress: server,
    ...(identityToken === "" ? {} : { identitytoken: identityToken }),
  } as never);
  const { Status: text = "", IdentityToken: token = "" } = (reply ?? {}) as { Status?: string; IdentityToken?: string };
  return {
    text: text === "" ? "Login Succeeded" : text,
    credential: token === "" ? credential : { username, password: "", identityToken: token },
  };
}

async function readAll(stdin: AsyncIterable<Uint8Array | string>): Promise<string> {
  let text = "";
  for await (const piece of stdin) {
    text += typeof piece === "string" ? piece : Buffer.from(piece).toString();
    if (text.length > 1024 * 1024) throw new ExitError(1, "the password is too long");
  }
  return text;
}
