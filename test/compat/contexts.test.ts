import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeAuthority } from "../harness/certificates.ts";
import { importBusybox, program, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { type Result, run, type RunOptions } from "../harness/run.ts";
import { startSshHost } from "../harness/ssh-host.ts";

let daemon: TestDaemon;
let other: TestDaemon;
let folder: string;
beforeAll(async () => {
  [daemon, other] = await Promise.all([startDaemon(), startDaemon()]);
  folder = await mkdtemp("/tmp/berth-c-");
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await Promise.all([daemon[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
  await rm(folder, { recursive: true, force: true });
}, 60_000);

let count = 0;
async function config(): Promise<{
  dir: string;
  cli: (who: "docker" | "berth", ...args: string[]) => Promise<Result>;
}> {
  const dir = join(folder, `config-${++count}`);
  await mkdir(dir);
  return { dir, cli: (who, ...args) => plain(who, args, { env: { DOCKER_CONFIG: dir } }) };
}
/** A client without a host in its environment. */
const plain = (who: "docker" | "berth", args: readonly string[], options: RunOptions = {}): Promise<Result> =>
  run([...(who === "docker" ? ["docker"] : program), ...args], {
    ...options,
    env: { DOCKER_HOST: "", BERTH_HOST: "", ...options.env },
  });
const files = async (dir: string): Promise<Record<string, string>> => {
  const names = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return Object.fromEntries(
    await Promise.all(
      names
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
        .map(async (path) => [path.slice(dir.length), await readFile(path, "utf8")] as const),
    ),
  );
};

test("both clients write the same context store and say the same about it", async () => {
  const { file: pem } = await makeAuthority(folder);
  const garbage = join(folder, "garbage.pem");
  await writeFile(garbage, "garbage");
  const steps: string[][] = [
    ["context", "create", "one", "--docker", "host=tcp://x:1", "--description", "my words"],
    ["context", "create", "one", "--docker", "host=tcp://x:1"],
    ["context", "create", "b d", "--docker", "host=tcp://x:1"],
    ["context", "create", "default"],
    ["context", "create", "two", "--docker", `host=tcp://h:2376,ca=${pem},skip-tls-verify=true`],
    ["context", "create", "three", "--from", "two"],
    ["context", "create", "bad", "--docker", "bogus=1"],
    ["context", "create", "bad", "--docker", "host=tcp://h:1,ca=/nosuch"],
    ["context", "create", "bad", "--docker", `host=tcp://h:1,ca=${garbage}`],
    ["context", "create", "bad", "--docker", `host=tcp://h:1,cert=${pem},key=${garbage}`],
    ["context", "update", "one", "--description", "other words"],
    ["context", "update", "three", "--docker", "host=unix:///there"],
    ["context", "update", "nosuch", "--description", "x"],
    ["context", "update", "default", "--description", "x"],
    ["context", "use", "two"],
    ["context", "use", "nosuch"],
    ["context", "show"],
    [
      "context",
      "ls",
      "--format",
      '{{.Name}}|{{.Current}}|{{.Description}}|{{if ne .Name "default"}}{{.DockerEndpoint}}{{end}}',
    ],
    ["context", "ls", "-q"],
    ["context", "inspect", "one", "two", "nosuch"],
    ["context", "inspect", "-f", "{{.Name}} {{.Endpoints.docker.Host}} {{.TLSMaterial.docker}}", "two"],
    ["context", "rm", "two"],
    ["context", "rm", "default", "nosuch"],
    ["context", "rm", "-f", "two"],
    ["context", "show"],
    ["--context", "nosuch", "ps"],
  ];
  const told: Record<string, string[]> = { docker: [], berth: [] };
  const stores: Record<string, string>[] = [];
  for (const who of ["docker", "berth"] as const) {
    const { dir, cli } = await config();
    for (const step of steps) {
      const { status, stdout, stderr } = await cli(who, ...step);
      told[who]?.push(`${step.join(" ")} -> ${status}\n${stdout}${stderr}`.replaceAll(dir, "DIR"));
    }
    stores.push(await files(dir));
  }
  expect(told["berth"]).toEqual(told["docker"] ?? []);
  expect(stores[1]).toEqual(stores[0] ?? {});
});

test("an exported context is imported by the other client", async () => {
  const { dir, cli } = await config();
  const { file: pem } = await makeAuthority(folder, "exported");
  await cli("docker", "context", "create", "from-docker", "--docker", `host=tcp://h:2376,ca=${pem}`);
  for (const [writer, reader] of [
    ["docker", "berth"],
    ["berth", "docker"],
    ["berth", "berth"],
  ] as const) {
    const file = join(dir, `${writer}-${reader}`);
    expect(await cli(writer, "context", "export", "from-docker", file)).toMatchObject({ status: 0 });
    expect((await cli(writer, "context", "export", "from-docker", file)).stderr).toContain("file exists");
    const name = `by-${writer}-${reader}`;
    expect(await cli(reader, "context", "import", name, file)).toMatchObject({ status: 0, stdout: `${name}\n` });
    expect(
      (await cli("docker", "context", "inspect", "-f", "{{.Endpoints.docker.Host}} {{.TLSMaterial.docker}}", name))
        .stdout,
    ).toBe("tcp://h:2376 [ca.pem]\n");
  }
  const hostile = join(dir, "hostile.tar");
  await mkdir(join(dir, "t/tls/docker"), { recursive: true });
  await writeFile(join(dir, "t/meta.json"), '{"Name":"x","Metadata":{},"Endpoints":{}}');
  await writeFile(join(dir, "t/evil"), "x");
  await Bun.$`tar -C ${join(dir, "t")} --transform s,evil,tls/docker/../../../../evil.pem, -cPf ${hostile} meta.json evil`.quiet();
  const refused = await cli("berth", "context", "import", "hostile", hostile);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("unexpected context file");
  expect((await cli("berth", "context", "import", "hostile", "/dev/null")).stderr).toContain("invalid context");
  expect((await cli("docker", "context", "ls", "-q")).stdout).not.toContain("hostile");
});

test("commands go to the engine of the context: the flag, DOCKER_CONTEXT, the current one", async () => {
  const { dir, cli } = await config();
  await cli("berth", "context", "create", "mine", "--docker", `host=unix://${daemon.socket}`);
  const id = (await daemon.ok("info", "-f", "{{.ID}}")).trim();
  const asked = ["info", "-f", "{{.ID}} {{.ClientInfo.Context}}"];
  expect((await cli("berth", "--context", "mine", ...asked)).stdout).toBe(`${id} mine\n`);
  expect((await plain("berth", asked, { env: { DOCKER_CONFIG: dir, DOCKER_CONTEXT: "mine" } })).stdout).toBe(
    `${id} mine\n`,
  );
  await cli("berth", "context", "use", "mine");
  expect((await cli("berth", ...asked)).stdout).toBe(`${id} mine\n`);
  const overridden = await plain("berth", ["context", "show"], {
    env: { DOCKER_CONFIG: dir, DOCKER_HOST: `unix://${daemon.socket}` },
  });
  expect(overridden.stdout).toBe("default\n");
});

test("an engine is reached by ssh: commands, big streams both ways, a path of a socket, errors", async () => {
  await using host = await startSshHost();
  const address = `ssh://${host.address}${daemon.socket}`;
  const far = (args: string[], options: RunOptions = {}) =>
    plain("berth", ["-H", address, ...args], { ...options, env: host.env });
  expect((await far(["info", "-f", "{{.ID}}"])).stdout).toBe(`${await daemon.ok("info", "-f", "{{.ID}}")}\n`);
  expect((await far(["run", "--rm", "-i", "busybox", "cat"], { stdin: "through ssh" })).stdout).toBe("through ssh");
  const file = join(folder, "by-ssh.tar");
  expect((await far(["save", "-o", file, "busybox"])).status).toBe(0);
  expect(await far(["load", "-q", "-i", file])).toMatchObject({ status: 0, stdout: "Loaded image: busybox:latest\n" });
  const big = Buffer.alloc(30 * 1024 * 1024, "0123456789abcdef");
  const counted = await far(["run", "--rm", "-i", "busybox", "wc", "-c"], { stdin: big });
  expect(counted.stdout.trim()).toBe(String(big.length));
  await writeFile(join(host.programs, "docker"), await readFile(join(host.programs, "berth")));
  await chmod(join(host.programs, "docker"), 0o755);
  expect((await plain("docker", ["-H", address, "info", "-f", "{{.ID}}"], { env: host.env })).stdout).toBe(
    `${await daemon.ok("info", "-f", "{{.ID}}")}\n`,
  );
  const nobody = await plain("berth", ["-H", `ssh://${host.address}/nosuch.sock`, "ps"], { env: host.env });
  expect(nobody.status).toBe(1);
  const refused = await plain("berth", ["-H", "ssh://127.0.0.1:1", "ps"], { env: host.env });
  expect(refused.stderr).toContain("ended with status 255");
  for (const bad of ["ssh://-oProxyCommand=id", `ssh://${host.address}/a'b;id`, "ssh://user:pass@127.0.0.1"])
    expect((await plain("berth", ["-H", bad, "ps"], { env: host.env })).stderr).toMatch(/bad|no password/);
});

test("image send moves only what the other engine misses: by its socket, by ssh, to a context", async () => {
  const layer = async (parent: string, tag: string, bytes: number): Promise<void> => {
    const name = `maker-${tag}`;
    await daemon.ok("run", "--name", name, parent, "sh", "-c", `head -c ${bytes} /dev/urandom > /${tag}`);
    await daemon.ok("commit", name, `sent:${tag}`);
    await daemon.ok("rm", name);
  };
  await layer("busybox", "one", 3_000_000);
  await layer("sent:one", "two", 2_000_000);
  const target = `unix://${other.socket}`;
  const sent = async (result: Promise<Result>): Promise<number> => {
    const { status, stderr } = await result;
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const [, size = "", unit = ""] = /^Sent ([\d.]+)(\w+)/m.exec(stderr) ?? [];
    return Number(size) * ({ B: 1, kB: 1e3, MB: 1e6 }[unit] ?? Number.NaN);
  };
  expect(await sent(daemon.berth(["image", "send", target, "sent:one"]))).toBeGreaterThan(3_000_000);
  const more = await sent(daemon.berth(["image", "send", target, "sent:two", "sent:one"]));
  expect(more).toBeGreaterThan(2_000_000);
  expect(more).toBeLessThan(2_100_000);
  expect(await sent(daemon.berth(["image", "send", target, "sent:two"]))).toBeLessThan(20_000);
  for (const tag of ["one", "two"])
    expect(await other.ok("image", "inspect", "-f", "{{.Id}}", `sent:${tag}`)).toBe(
      await daemon.ok("image", "inspect", "-f", "{{.Id}}", `sent:${tag}`),
    );
  expect(await other.ok("run", "--rm", "sent:two", "sh", "-c", "wc -c < /two")).toBe("2000000");

  await using host = await startSshHost();
  await layer("sent:two", "three", 1_000_000);
  const bySsh = daemon.berth(["image", "send", `ssh://${host.address}${other.socket}`, "sent:three"], {
    env: host.env,
  });
  expect(await sent(bySsh)).toBeLessThan(1_100_000);
  expect(await other.ok("run", "--rm", "sent:three", "sh", "-c", "wc -c < /three")).toBe("1000000");

  const { dir, cli } = await config();
  await cli("berth", "context", "create", "there", "--docker", `host=${target}`);
  const byContext = await daemon.berth(["image", "send", "-q", "there", "sent:one"], { env: { DOCKER_CONFIG: dir } });
  expect(byContext).toEqual({ status: 0, stdout: "Loaded image: sent:one\n", stderr: "" });
  const missing = await daemon.berth(["image", "send", target, "nosuch:1"]);
  expect(missing).toMatchObject({ status: 1 });
  expect(missing.stderr).toContain("Error response from daemon: No such image: nosuch:1");
});

test("an archive without layers that are not here is refused, and nothing of it stays", async () => {
  const ids = (await daemon.ok("image", "inspect", "-f", "{{json .RootFS.Layers}}", "sent:one")).trim();
  const answer = await daemon.request("POST", "/v1.51/berth/images/save", {
    Names: ["sent:one"],
    Have: [JSON.parse(ids)],
  });
  const part = new Uint8Array(await answer.arrayBuffer());
  await using third = await startDaemon();
  const refused = await third.berth(["load"], { stdin: part });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("is named but not in it");
  expect(await third.ok("images", "-aq")).toBe("");
});
