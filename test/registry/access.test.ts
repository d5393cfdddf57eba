// Users, robots, tokens, rights; and the commands that manage them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run, until } from "../harness/run.ts";
import { startRegistry, type TestRegistry } from "../harness/registry.ts";

const basic = (name: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`,
});
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

interface Token {
  readonly token: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly refresh_token?: string;
}

let registry: TestRegistry;
let robotSecret = "";
const passwords = { root: "the root's password", alice: "alice's password", bob: "bob's password" };

async function berth(...args: string[]): Promise<string> {
  const result = await registry.berth(args, {
    stdin: args.includes("--password-stdin") ? `${passwords[args[2] as "alice"]}\n` : "",
  });
  if (result.status !== 0) throw new Error(`${args.join(" ")}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

async function tokenFor(scope: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await registry.request("GET", `/token?service=berth-registry&scope=${encodeURIComponent(scope)}`, {
    headers,
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as Token).token;
}

beforeAll(async () => {
  registry = await startRegistry({ config: "anonymous: [{repositories: 'public/**', actions: [pull]}]\n" });
  await berth("user", "add", "root", "--admin", "--password-stdin");
  await berth(
    "user",
    "add",
    "alice",
    "--grant",
    "team/**=pull,push",
    "--grant",
    "public/**=pull,push,delete",
    "--password-stdin",
  );
  await berth("user", "add", "bob", "--grant", "team/read=pull", "--password-stdin");
  robotSecret = (await berth("robot", "create", "ci", "--grant", "team/app=push,pull", "--expires", "30d")).trim();
});
afterAll(() => registry[Symbol.asyncDispose]());

test("a registry without users and anonymous rights says what to do, and refuses everything", async () => {
  await using empty = await startRegistry({ config: "{}" });
  expect(await empty.log()).toContain("nobody may do anything yet: make a user with");
  for (const [method, path] of [
    ["GET", "/v2/"],
    ["GET", "/v2/_catalog"],
    ["POST", "/v2/a/blobs/uploads/"],
    ["GET", "/metrics"],
    ["GET", "/berth/v1/users"],
  ] as const)
    expect([path, (await empty.request(method, path)).status]).toEqual([path, 401]);
  expect((await empty.request("GET", "/v2/", { headers: basic("admin", "admin") })).status).toBe(401);
});

test("passwords are kept as bcrypt hashes in a file of root alone, and Apache's tool makes the same", async () => {
  const path = join(registry.root, "htpasswd");
  const text = await readFile(path, "utf8");
  expect(text).toMatch(/^alice:\$2[aby]\$10\$/m);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const made = await run(["htpasswd", "-nbB", "carol", "carol's password"]);
  await writeFile(path, `${text}${made.stdout.trim()}\nmd5user:$apr1$x$y\n`);
  expect((await registry.request("GET", "/v2/", { headers: basic("carol", "carol's password") })).status).toBe(200);
  expect((await registry.request("GET", "/v2/", { headers: basic("md5user", "y") })).status).toBe(401);
  expect(await registry.log()).toContain("holds no bcrypt hash");
});

describe("challenges", () => {
  test("the first request asks for a token, with realm and service", async () => {
    const answer = await registry.request("GET", "/v2/");
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe(
      `Bearer realm="http://${registry.address}/token",service="berth-registry"`,
    );
    expect(((await answer.json()) as { errors: { code: string }[] }).errors[0]?.code).toBe("UNAUTHORIZED");
  });

  test("a request without rights names the scope it needs", async () => {
    const answer = await registry.request("POST", "/v2/team/app/blobs/uploads/");
    expect(answer.headers.get("www-authenticate")).toEndWith('scope="repository:team/app:pull,push"');
  });

  test("a token with too little is told so; a user who proved all there is, is denied", async () => {
    const token = await tokenFor("repository:team/app:pull", basic("alice", passwords.alice));
    const little = await registry.request("POST", "/v2/team/app/blobs/uploads/", { headers: bearer(token) });
    expect([little.status, little.headers.get("www-authenticate")]).toEqual([
      401,
      expect.stringContaining('error="insufficient_scope"'),
    ]);
    const denied = await registry.request("POST", "/v2/team/read/blobs/uploads/", {
      headers: basic("bob", passwords.bob),
    });
    expect([denied.status, ((await denied.json()) as { errors: { code: string }[] }).errors[0]?.code]).toEqual([
      403,
      "DENIED",
    ]);
  });
});

describe("rights", () => {
  const push = async (repository: string, headers: Record<string, string>): Promise<number> => {
    const answer = await registry.request("POST", `/v2/${repository}/blobs/uploads/`, { headers });
    return answer.status;
  };

  test("a token holds of a scope what its user has, and nothing for other repositories", async () => {
    const token = await tokenFor("repository:team/app:pull,push,delete", basic("alice", passwords.alice));
    expect(await push("team/app", bearer(token))).toBe(202);
    expect(await push("team/other", bearer(token))).toBe(401);
    expect((await registry.request("DELETE", "/v2/team/app/manifests/x", { headers: bearer(token) })).status).toBe(401);
    const none = await tokenFor("repository:team/app:push", basic("bob", passwords.bob));
    expect(await push("team/app", bearer(none))).toBe(401);
  });

  test("patterns end where they end: team/** is not teams/, and * is one part", async () => {
    const alice = basic("alice", passwords.alice);
    expect([await push("team/a/b/c", alice), await push("teams/a", alice), await push("team", alice)]).toEqual([
      202, 403, 202,
    ]);
  });

  test("anonymous callers pull what they may, with and without a token", async () => {
    await berth("user", "set", "root", "--admin");
    const upload = await registry.request(
      "POST",
      `/v2/public/x/blobs/uploads/?digest=sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824`,
      { body: "hello", headers: basic("alice", passwords.alice) },
    );
    expect(upload.status).toBe(201);
    const path = "/v2/public/x/blobs/sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    expect(await (await registry.request("GET", path)).text()).toBe("hello");
    const token = await tokenFor("repository:public/x:pull,push");
    expect(await (await registry.request("GET", path, { headers: bearer(token) })).text()).toBe("hello");
    expect(await push("public/x", bearer(token))).toBe(401);
    expect((await registry.request("GET", path.replace("public/x", "team/app"))).status).toBe(401);
  });

  test("a mount needs the right to pull from where the blob is", async () => {
    const hello = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    const secret = await registry.request(
      "POST",
      `/v2/team/secret/blobs/uploads/?digest=sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7`,
      { body: "world", headers: basic("alice", passwords.alice) },
    );
    expect(secret.status).toBe(201);
    const robot = basic("robot+ci", robotSecret);
    const mount = (digest: string, from: string) =>
      registry.request("POST", `/v2/team/app/blobs/uploads/?mount=${digest}${from}`, { headers: robot });
    expect((await mount(hello, "&from=public/x")).status).toBe(201);
    for (const from of ["&from=team/secret", ""])
      expect(
        (await mount("sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7", from)).status,
      ).toBe(202);
  });

  test("the catalog tells what the caller may pull", async () => {
    const alice = basic("alice", passwords.alice);
    for (const name of ["public/listed", "team/listed"])
      for (const body of ["{}"]) {
        const digest = `sha256:${new Bun.CryptoHasher("sha256").update(body).digest("hex")}`;
        await registry.request("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, { body, headers: alice });
        const put = await registry.request("PUT", `/v2/${name}/manifests/x`, {
          body: JSON.stringify({
            schemaVersion: 2,
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            config: { mediaType: "application/vnd.oci.empty.v1+json", digest, size: 2 },
            layers: [],
          }),
          headers: { ...alice, "Content-Type": "application/vnd.oci.image.manifest.v1+json" },
        });
        expect(put.status).toBe(201);
      }
    const list = async (headers: Record<string, string>) =>
      ((await (await registry.request("GET", "/v2/_catalog", { headers })).json()) as { repositories?: string[] })
        .repositories;
    expect(await list({})).toEqual(["public/listed"]);
    expect(await list(alice)).toEqual(["public/listed", "team/listed"]);
    expect(await list(bearer(await tokenFor("registry:catalog:*", alice)))).toEqual(["public/listed", "team/listed"]);
    expect(await list(bearer(await tokenFor("repository:team/app:pull", alice)))).toBeUndefined();
  });
});

describe("tokens", () => {
  test("a changed, foreign, unsigned or missing token is 401", async () => {
    const token = await tokenFor("repository:team/app:pull", basic("alice", passwords.alice));
    const [head = "", body = "", signature = ""] = token.split(".");
    const forged = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const bad of [
      `${head}.${encode({ ...forged, sub: "user:root" })}.${signature}`,
      `${encode({ alg: "none" })}.${body}.`,
      `${encode({ alg: "HS256" })}.${body}.${signature}`,
      "x.y.z",
      "",
    ])
      expect((await registry.request("GET", "/v2/", { headers: bearer(bad) })).status).toBe(401);
  });

  test("OAuth 2: a password gives a refresh token, that gives tokens until the password changes", async () => {
    const ask = (form: Record<string, string>) =>
      registry.request("POST", "/token", {
        body: new URLSearchParams({
          service: "berth-registry",
          client_id: "test",
          scope: "repository:team/read:pull",
          ...form,
        }),
      });
    const first = await ask({
      grant_type: "password",
      username: "bob",
      password: passwords.bob,
      access_type: "offline",
    });
    const { refresh_token: refresh = "" } = (await first.json()) as Token;
    expect(refresh).not.toBe("");
    const second = await ask({ grant_type: "refresh_token", refresh_token: refresh });
    const { access_token: token } = (await second.json()) as Token;
    expect((await registry.request("GET", "/v2/team/read/tags/list", { headers: bearer(token) })).status).toBe(404);
    passwords.bob = "bob's new password";
    await berth("user", "passwd", "bob", "--password-stdin");
    expect((await ask({ grant_type: "refresh_token", refresh_token: refresh })).status).toBe(401);
    expect((await ask({ grant_type: "password", username: "bob", password: "bob's password" })).status).toBe(401);
    expect((await ask({ grant_type: "nonsense" })).status).toBe(400);
  });

  test("tokens of a user or robot that is gone are worth nothing", async () => {
    const secret = (await berth("robot", "create", "short", "--grant", "team/**=pull")).trim();
    const token = await tokenFor("repository:team/app:pull", basic("robot+short", secret));
    const look = () => registry.request("GET", "/v2/team/app/tags/list", { headers: bearer(token) });
    expect((await look()).status).toBe(200);
    await berth("robot", "rm", "short");
    const late = await look();
    expect([late.status, late.headers.get("www-authenticate")]).toEqual([
      401,
      expect.stringContaining("invalid_token"),
    ]);
    expect((await registry.request("GET", "/v2/", { headers: basic("robot+short", secret) })).status).toBe(401);
  });

  test("the key is root's alone, and a registry without it makes another", async () => {
    expect((await stat(join(registry.root, "token-key.json"))).mode & 0o777).toBe(0o600);
  });
});

describe("robots", () => {
  test("a robot expires", async () => {
    const secret = (await berth("robot", "create", "brief", "--grant", "team/**=pull", "--expires", "1s")).trim();
    const login = () => registry.request("GET", "/v2/", { headers: basic("robot+brief", secret) });
    expect((await login()).status).toBe(200);
    const deadline = Date.now() + 5000;
    while ((await login()).status !== 401) {
      expect(Date.now()).toBeLessThan(deadline);
      await Bun.sleep(20); // until a second is over
    }
    expect(await berth("robot", "ls")).toMatch(/robot\+ci +20\d\d-.* root +team\/app=pull,push/);
  });
});

describe("guessing", () => {
  test("after ten wrong passwords the right one is refused too, for this name and address", async () => {
    await using guarded = await startRegistry({ config: "{}" });
    await guarded.berth(["user", "add", "dora", "--password-stdin"], { stdin: "dora's password" });
    const login = (password: string) => guarded.request("GET", "/v2/", { headers: basic("dora", password) });
    for (let n = 0; n < 10; n += 1) expect((await login(`guess ${n}`)).status).toBe(401);
    await until("the wrong ones are in the audit log", async () =>
      /"action":"login-failed","name":"dora","address":"127.0.0.1"/.test(
        await readFile(join(guarded.root, "audit.log"), "utf8").catch(() => ""),
      ),
    );
    const late = await login("dora's password");
    expect([late.status, Number(late.headers.get("retry-after"))]).toEqual([429, expect.any(Number)]);
    expect(((await late.json()) as { errors: { code: string }[] }).errors[0]?.code).toBe("TOOMANYREQUESTS");
  });
});

describe("administration", () => {
  test("only administrators may, over the network with their password", async () => {
    const ask = (headers: Record<string, string>) => registry.request("GET", "/berth/v1/users", { headers });
    expect((await ask({})).status).toBe(401);
    expect((await ask(basic("alice", passwords.alice))).status).toBe(403);
    const users = (await (await ask(basic("root", passwords.root))).json()) as { name: string }[];
    expect(users.map(({ name }) => name)).toContain("alice");
    const remote = await run(
      [
        ...(await import("../harness/daemon.ts")).program,
        "registry",
        "user",
        "ls",
        "--server",
        registry.url,
        "--login",
        "root",
      ],
      {
        env: { BERTH_REGISTRY_PASSWORD: passwords.root },
      },
    );
    expect(remote.stdout).toMatch(/^alice +no +public\/\*\*=pull,push,delete team\/\*\*=pull,push$/m);
  });

  test("a user may change the own password, and no other", async () => {
    const change = (name: string) =>
      registry.request("PUT", `/berth/v1/passwords/${name}`, {
        headers: basic("alice", passwords.alice),
        body: JSON.stringify({ password: passwords.alice }),
      });
    expect((await change("alice")).status).toBe(200);
    expect((await change("root")).status).toBe(403);
  });

  test("what cannot be is said: names, passwords, patterns, doubles, unknown ones", async () => {
    for (const [args, stdin, message] of [
      [["user", "add", "no:colon", "--password-stdin"], "long enough", "invalid user name"],
      [["user", "add", "short", "--password-stdin"], "short", "at least 8 characters"],
      [["user", "add", "long", "--password-stdin"], "x".repeat(73), "at most 72 bytes"],
      [["user", "add", "alice", "--password-stdin"], "long enough", "there is a user alice already"],
      [["user", "add", "eve", "--grant", "a b=pull", "--password-stdin"], "long enough", "no pattern"],
      [["user", "add", "eve", "--grant", "a=fly", "--password-stdin"], "long enough", "the actions are"],
      [["user", "rm", "nobody"], "", "there is no user nobody"],
      [["robot", "create", "../x", "--grant", "a=pull"], "", "invalid robot name"],
      [["robot", "create", "ci", "--grant", "a=pull"], "", "there is a robot ci already"],
      [["robot", "create", "useless"], "", "without rights"],
    ] as const) {
      const result = await registry.berth(args, { stdin });
      expect([args.join(" "), result.status, result.stderr]).toEqual([
        args.join(" "),
        1,
        expect.stringContaining(message),
      ]);
    }
  });

  test("who did what is in the audit log", async () => {
    const deadline = Date.now() + 5000;
    let text = "";
    while (!text.includes('"note":"POST robots {')) {
      expect(Date.now()).toBeLessThan(deadline);
      text = await readFile(join(registry.root, "audit.log"), "utf8");
      await Bun.sleep(10); // it is written a moment later
    }
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(
      lines.some(
        ({ action, who, address, repository }) =>
          action === "push" && who === "user:alice" && address === "127.0.0.1" && repository === "public/x",
      ),
    ).toBe(true);
    expect(lines.some(({ action, who }) => action === "refused" && who === "anonymous")).toBe(true);
    expect(
      lines.some(({ action, who, address }) => action === "admin" && who === "local:root" && address === "local"),
    ).toBe(true);
    expect(text).not.toContain('password\\":');
  });
});
