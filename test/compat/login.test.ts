import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { startDockerRegistry, type TestRegistry } from "../harness/docker-registry.ts";
import { run } from "../harness/run.ts";
import { openTerminal } from "../harness/terminal.ts";

let daemon: TestDaemon;
let registry: TestRegistry;
let folder: string;
const bun = new URL("../../node_modules/.bin/bun", import.meta.url).pathname;
beforeAll(async () => {
  daemon = await startDaemon();
  registry = await startDockerRegistry({ user: { name: "alice", password: "s3cret:with=colon" } });
  folder = await mkdtemp("/tmp/berth-l-");
  await importBusybox(daemon);
  await daemon.ok("tag", "busybox", `${registry.host}/bb:1`);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Debian's docker-credential-pass and pass, kept out of PATH: docker would use them everywhere. */
const helpers = process.env["BERTH_CREDENTIAL_HELPERS"] ?? "";

let count = 0;
/** A DOCKER_CONFIG of its own, with a helper `docker-credential-kept` beside it. */
async function configFolder(config?: object): Promise<{ dir: string; file: string; env: Record<string, string> }> {
  const dir = join(folder, `config-${++count}`);
  await mkdir(dir);
  const file = join(dir, "config.json");
  if (config) await writeFile(file, JSON.stringify(config));
  return {
    dir,
    file,
    env: { DOCKER_CONFIG: dir, PATH: `${dir}:${process.env["PATH"]}`, KEPT: join(dir, "kept.json") },
  };
}

/** A helper that follows the protocol of docker-credential-helpers, and keeps its data in $KEPT. */
const helper = `#!${bun}
const { KEPT } = process.env; const file = Bun.file(KEPT);
const kept = (await file.exists()) ? await file.json() : {};
const input = (await Bun.stdin.text()).trim();
switch (process.argv[2]) {
  case "store": { const { ServerURL, ...entry } = JSON.parse(input); kept[ServerURL] = entry; await Bun.write(KEPT, JSON.stringify(kept)); break; }
  case "get": if (!kept[input]) { console.log("credentials not found in native keychain"); process.exit(1); }
    console.log(JSON.stringify({ ServerURL: input, ...kept[input] })); break;
  case "erase": delete kept[input]; await Bun.write(KEPT, JSON.stringify(kept)); break;
  case "list": console.log(JSON.stringify(Object.fromEntries(Object.entries(kept).map(([url, { Username }]) => [url, Username])))); break;
}
`;

describe.each(clientNames)("%s", (name) => {
  const cli = (args: string[], options: Parameters<TestDaemon["docker"]>[1] = {}) =>
    client(daemon, name)(args, options);
  const login = (env: Record<string, string>, stdin = "s3cret:with=colon\n") =>
    cli(["login", "-u", "alice", "--password-stdin", registry.host], { env, stdin });

  test("login makes pull and push work, logout ends that; config.json is docker's to the byte", async () => {
    const { file, dir, env } = await configFolder();
    const image = `${registry.host}/bb:1`;
    expect((await cli(["push", image], { env })).stderr).toMatch(
      /no basic auth credentials|unauthorized|authentication required/,
    );
    const done = await login(env);
    expect({ status: done.status, stdout: done.stdout }).toEqual({ status: 0, stdout: "Login Succeeded\n" });
    expect(done.stderr).toBe(
      `\nWARNING! Your credentials are stored unencrypted in '${dir}/config.json'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n`,
    );
    const auth = Buffer.from("alice:s3cret:with=colon").toString("base64");
    expect(await readFile(file, "utf8")).toBe(
      `{\n\t"auths": {\n\t\t"${registry.host}": {\n\t\t\t"auth": "${auth}"\n\t\t}\n\t}\n}`,
    );
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await cli(["push", image], { env })).stdout).toMatch(/1: digest: sha256:[0-9a-f]{64} size: \d+/);
    expect((await cli(["pull", image], { env })).stdout).toContain("Status: Image is up to date");
    const again = await cli(["login", registry.host], { env });
    expect(again.stderr).toContain("Authenticating with existing credentials... [Username: alice]");
    expect(again.stdout).toBe("Login Succeeded\n");
    const out = await cli(["logout", registry.host], { env });
    expect(out).toEqual({ status: 0, stdout: `Removing login credentials for ${registry.host}\n`, stderr: "" });
    expect(await readFile(file, "utf8")).toBe('{\n\t"auths": {}\n}');
    expect((await cli(["pull", image], { env })).status).toBe(1);
    expect((await cli(["logout", registry.host], { env })).status).toBe(0);
  });

  test("what is wrong is said in docker's words, and nothing is kept", async () => {
    const { file, env } = await configFolder();
    const refused = await login(env, "wrong\n");
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(
      `Error response from daemon: login attempt to http://${registry.host}/v2/ failed with status: 401 Unauthorized`,
    );
    expect(await Bun.file(file).exists()).toBe(false);
    const said = async (...args: string[]): Promise<string> => {
      const result = await cli(["login", ...args, registry.host], { env, stdin: "x\n" });
      expect(result.status).toBe(1);
      return result.stderr;
    };
    expect(await said("--password-stdin")).toContain("the --password-stdin option requires --username to be set");
    expect(await said("-u", "a", "-p", "b", "--password-stdin")).toContain(
      "conflicting options: cannot specify both --password and --password-stdin",
    );
    expect(await said("-u", "a", "-p", "")).toContain("password is empty");
    expect(await said()).toContain("Error: Cannot perform an interactive login from a non TTY device");
    expect(await said("-u", "a", "-p", "wrong")).toContain(
      "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
    );
  });

  test("a helper keeps the password: credsStore, and credHelpers of one registry", async () => {
    for (const config of [{ credsStore: "kept" }, { credHelpers: { [registry.host]: "kept" }, credsStore: "nosuch" }]) {
      const { dir, file, env } = await configFolder(config);
      await writeFile(join(dir, "docker-credential-kept"), helper);
      await chmod(join(dir, "docker-credential-kept"), 0o755);
      const done = await login(env);
      expect({ ...done }).toEqual({ status: 0, stdout: "Login Succeeded\n", stderr: "" });
      const written = JSON.parse(await readFile(file, "utf8")) as object;
      expect(written).toEqual({ ...config, auths: { [registry.host]: {} } });
      expect(JSON.parse(await readFile(join(dir, "kept.json"), "utf8"))).toEqual({
        [registry.host]: { Username: "alice", Secret: "s3cret:with=colon" },
      });
      expect((await cli(["push", "-q", `${registry.host}/bb:1`], { env })).status).toBe(0);
      expect((await cli(["logout", registry.host], { env })).status).toBe(0);
      expect(await readFile(join(dir, "kept.json"), "utf8")).toBe("{}");
      expect((await cli(["pull", `${registry.host}/bb:1`], { env })).status).toBe(1);
    }
  });

  test("a helper that is not there: login fails and says why, a pull of something public goes on", async () => {
    const { env } = await configFolder({ credsStore: "nosuch" });
    const failed = await login(env);
    expect(failed.status).toBe(1);
    expect(failed.stderr).toContain(
      'Error saving credentials: error storing credentials - err: exec: "docker-credential-nosuch": executable file not found in $PATH, out: ``',
    );
    await using open = await startDockerRegistry();
    await daemon.ok("tag", "busybox", `${open.host}/bb:1`);
    expect((await cli(["push", "-q", `${open.host}/bb:1`], { env })).status).toBe(0);
  });

  test.skipIf(helpers === "")(
    `docker-credential-pass of Debian keeps it, without a word in config.json${helpers === "" ? " (not run: not unpacked, npm test does that)" : ""}`,
    async () => {
      const { dir, file, env } = await configFolder();
      const keys = {
        ...env,
        PATH: `${helpers}:${process.env["PATH"]}`,
        GNUPGHOME: join(dir, "gpg"),
        PASSWORD_STORE_DIR: join(dir, "store"),
      };
      await mkdir(keys.GNUPGHOME, { mode: 0o700 });
      const quick = [
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--quick-gen-key",
        "tester",
        "default",
        "default",
        "never",
      ];
      expect((await run(["gpg", ...quick], { env: keys })).status).toBe(0);
      try {
        expect((await run(["pass", "init", "tester"], { env: keys })).status).toBe(0);
        expect(await login(keys)).toMatchObject({ status: 0, stdout: "Login Succeeded\n", stderr: "" });
        expect(JSON.parse(await readFile(file, "utf8"))).toEqual({
          auths: { [registry.host]: {} },
          credsStore: "pass",
        });
        expect((await cli(["push", "-q", `${registry.host}/bb:1`], { env: keys })).status).toBe(0);
        expect((await cli(["logout", registry.host], { env: keys })).status).toBe(0);
        expect((await cli(["pull", `${registry.host}/bb:1`], { env: keys })).status).toBe(1);
      } finally {
        await run(["gpgconf", "--kill", "all"], { env: keys });
      }
    },
  );

  test("a person is asked, and the password is not shown", async () => {
    const { file, env } = await configFolder();
    await using terminal = openTerminal(
      daemon,
      name,
      ["--config", env["DOCKER_CONFIG"] ?? "", "login", registry.host],
      undefined,
    );
    await terminal.expect("Username: ");
    terminal.write("alice\r");
    await terminal.expect("Password: ");
    terminal.write("s3cret:with=colon\r");
    await terminal.expect("Login Succeeded");
    expect(await terminal.exited()).toBe(0);
    expect(terminal.text()).not.toContain("s3cret");
    expect(await readFile(file, "utf8")).toContain(Buffer.from("alice:s3cret:with=colon").toString("base64"));
  });
});

test("what one client keeps the other uses, and what it does not know in config.json stays", async () => {
  const { file, env } = await configFolder({
    detachKeys: "ctrl-x",
    plugins: { some: { thing: "1" } },
    ours: { not: "known" },
  });
  const stdin = "s3cret:with=colon\n";
  expect((await daemon.berth(["login", "-u", "alice", "--password-stdin", registry.host], { env, stdin })).status).toBe(
    0,
  );
  expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({
    detachKeys: "ctrl-x",
    plugins: { some: { thing: "1" } },
    ours: { not: "known" },
  });
  expect((await daemon.docker(["push", "-q", `${registry.host}/bb:1`], { env })).status).toBe(0);
  expect((await daemon.docker(["logout", registry.host], { env })).status).toBe(0);
  expect(
    (await daemon.docker(["login", "-u", "alice", "--password-stdin", registry.host], { env, stdin })).status,
  ).toBe(0);
  expect((await daemon.berth(["push", "-q", `${registry.host}/bb:1`], { env })).status).toBe(0);
});

test("a config.json that is a link stays one; one that cannot be read is left alone", async () => {
  const { dir, file, env } = await configFolder();
  const stdin = "s3cret:with=colon\n";
  await writeFile(join(dir, "real.json"), "{}");
  await symlink("real.json", file);
  expect((await daemon.berth(["login", "-u", "alice", "--password-stdin", registry.host], { env, stdin })).status).toBe(
    0,
  );
  expect(await readFile(join(dir, "real.json"), "utf8")).toContain(registry.host);
  await writeFile(join(dir, "real.json"), "not JSON");
  const failed = await daemon.berth(["login", "-u", "alice", "--password-stdin", registry.host], { env, stdin });
  expect(failed.status).toBe(1);
  expect(failed.stderr).toContain("error loading config file");
  expect(await readFile(join(dir, "real.json"), "utf8")).toBe("not JSON");
});

test("DOCKER_AUTH_CONFIG goes before the file", async () => {
  const { env } = await configFolder({ auths: { [registry.host]: { auth: Buffer.from("a:b").toString("base64") } } });
  const auth = Buffer.from("alice:s3cret:with=colon").toString("base64");
  const given = { ...env, DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth } } }) };
  expect((await daemon.berth(["push", "-q", `${registry.host}/bb:1`], { env })).status).toBe(1);
  expect((await daemon.berth(["push", "-q", `${registry.host}/bb:1`], { env: given })).status).toBe(0);
});
