import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The program as a user starts it, against a daemon that answers from a table.

const folder = mkdtempSync(join(tmpdir(), "berth-cli-"));
const entry = join(folder, "berth.ts");
const socket = join(folder, "engine.sock");
const requests: string[] = [];
let server: Bun.Server<undefined>;

beforeAll(async () => {
  await Bun.write(
    entry,
    `import { runCli } from ${JSON.stringify(join(import.meta.dir, "main.ts"))};\nprocess.exit(await runCli(process.argv.slice(2)));\n`,
  );
  server = Bun.serve({
    unix: socket,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const path = pathname.replace(/^\/v[\d.]+/, "");
      requests.push(`${request.method} ${path}${search}`);
      const fail = (status: number, message: string) =>
        Response.json({ message }, { status, headers: { "content-type": "application/json" } });
      if (path.includes("nosuch")) return fail(404, "No such container: nosuch");
      if (path === "/containers/json") return Response.json(rows);
      if (path === "/containers/create") {
        const { Image } = (await request.json()) as { Image: string };
        return Image === "bad"
          ? fail(409, "name in use")
          : Response.json({ Id: `id-of-${Image}`, Warnings: ["careful"] }, { status: 201 });
      }
      if (path === "/containers/id-of-runs/start") return new Response(null, { status: 204 });
      if (path.endsWith("/start"))
        return fail(400, `exec: "${path.split("-").at(-1)}": executable file not found in $PATH`);
      if (path.endsWith("/stop")) return new Response(null, { status: 204 });
      return fail(404, "page not found");
    },
  });
});
afterAll(async () => {
  await server.stop(true);
  rmSync(folder, { recursive: true });
});

const rows = [
  {
    Id: "a".repeat(64),
    Names: ["/web"],
    Image: "nginx",
    ImageID: "sha256:1",
    Command: "nginx",
    Created: 0,
    State: "running",
    Status: "Up",
    Ports: [],
    Labels: { k: "v" },
  },
];

async function berth(...argv: string[]): Promise<{ status: number; out: string; err: string }> {
  const child = Bun.spawn([process.execPath, entry, ...argv], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "", HOME: folder, DOCKER_HOST: `unix://${socket}` },
  });
  const [out, err, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, out, err };
}

describe("berth", () => {
  test("lists containers as a table, as IDs, and by a template", async () => {
    const { status, out } = await berth("ps");
    expect(status).toBe(0);
    expect(out).toMatch(
      /^CONTAINER ID   IMAGE     COMMAND   CREATED        STATUS    PORTS     NAMES\na{12}   nginx     "nginx"   \d+ years ago   Up                  web\n$/,
    );
    expect((await berth("container", "ls", "-q")).out).toBe(`${"a".repeat(12)}\n`);
    expect((await berth("ps", "--format", '{{.Names}} {{.Label "k"}}')).out).toBe("web v\n");
  });

  test("names each container it did something to, and each failure, and then fails", async () => {
    const { status, out, err } = await berth("stop", "-t", "3", "one", "nosuch", "two");
    expect({ status, out, err }).toEqual({
      status: 1,
      out: "one\ntwo\n",
      err: "Error response from daemon: No such container: nosuch\n",
    });
    expect(requests).toContain("POST /containers/one/stop?t=3");
  });

  test("rm -f does not mind what is gone already", async () => {
    expect(await berth("rm", "-f", "nosuch")).toMatchObject({
      status: 0,
      err: "Error response from daemon: No such container: nosuch\n",
    });
    expect(await berth("rm", "nosuch")).toMatchObject({ status: 1 });
  });

  test("run -d prints the id, and the daemon's warnings apart", async () => {
    expect(await berth("run", "-d", "--name", "n", "runs")).toEqual({
      status: 0,
      out: "id-of-runs\n",
      err: "WARNING: careful\n",
    });
    expect(requests).toContain("POST /containers/create?name=n");
  });

  test("run fails with 125 for a create, 127 for a program that is not there, and hints", async () => {
    expect(await berth("run", "-d", "bad")).toEqual({
      status: 125,
      out: "",
      err: "berth: Error response from daemon: name in use\n\nRun 'berth run --help' for more information\n",
    });
    expect(await berth("run", "-d", "missing")).toMatchObject({ status: 127 });
    expect(await berth("create", "bad")).toEqual({
      status: 1,
      out: "",
      err: "Error response from daemon: name in use\n",
    });
    expect(await berth("run", "--pid", "x", "runs")).toMatchObject({
      status: 125,
      err: "berth: --pid: invalid PID mode\n\nRun 'berth run --help' for more information\n",
    });
  });

  test("leaves no id file behind a create that failed", async () => {
    const path = join(folder, "cid");
    await berth("run", "-d", "--cidfile", path, "bad");
    expect(await Bun.file(path).exists()).toBe(false);
    await berth("run", "-d", "--cidfile", path, "runs");
    expect(await Bun.file(path).text()).toBe("id-of-runs");
    expect((await berth("run", "-d", "--cidfile", path, "runs")).err).toContain(
      "container ID file found, make sure the other container isn't running or delete",
    );
  });

  test("refuses unknown commands and flags as docker does", async () => {
    expect(await berth("bogus")).toEqual({
      status: 1,
      out: "",
      err: "berth: unknown command: berth bogus\n\nRun 'berth --help' for more information\n",
    });
    expect(await berth("swarm", "init")).toEqual({ status: 1, out: "", err: "berth: swarm is not available yet\n" });
    expect(await berth("container", "bogus")).toMatchObject({ status: 1 });
    expect(await berth("ps", "--bogus")).toEqual({
      status: 125,
      out: "",
      err: "unknown flag: --bogus\n\nUsage:  berth ps [OPTIONS]\n\nRun 'berth ps --help' for more information\n",
    });
    expect(await berth("--bogus", "ps")).toMatchObject({ status: 125 });
    expect(await berth("rm")).toMatchObject({ status: 1 });
    expect(await berth("help", "bogus")).toMatchObject({ status: 1, err: "unknown help topic: bogus\n" });
  });

  test("says how to start a daemon that is not there", async () => {
    const { status, err } = await berth("-H", "unix:///nonexistent/engine.sock", "ps");
    expect(status).toBe(1);
    expect(err).toBe(
      "Cannot connect to the Docker daemon at unix:///nonexistent/engine.sock. Is the docker daemon running? (start it: berth daemon, or npm start)\n",
    );
  });

  test("helps: the program, a group, a command", async () => {
    expect((await berth()).out).toStartWith("Usage:  berth [OPTIONS] COMMAND\n");
    expect((await berth("container")).out).toMatch(
      /^Usage:  berth container COMMAND\n\nManage containers\n\nCommands:\n  attach /,
    );
    const { out } = await berth("run", "--help");
    expect(out).toStartWith("Usage:  berth run [OPTIONS] IMAGE [COMMAND] [ARG...]\n");
    expect(out).toContain("Aliases:\n  berth container run, berth run\n");
    expect(out).toMatch(/ {2}-d, --detach +Run in the background/);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    expect((await berth("help", "ps")).out).toBe((await berth("ps", "--help")).out);
  });

  test("ends quietly when its reader has left", async () => {
    const child = Bun.spawn(["sh", "-c", `"${process.execPath}" "${entry}" ps 2>err; echo $? >status`], {
      cwd: folder,
      stdin: "ignore",
      stdout: "pipe",
      env: { PATH: process.env["PATH"] ?? "", HOME: folder, DOCKER_HOST: `unix://${socket}` },
    });
    await child.stdout.cancel();
    await child.exited;
    expect(await Bun.file(join(folder, "err")).text()).toBe("");
    expect((await Bun.file(join(folder, "status")).text()).trim()).toBe("141");
  });
});

test("a slow reader of standard output gets every byte", async () => {
  const script = join(folder, "flood.ts");
  await Bun.write(
    script,
    `import { lightOutput } from ${JSON.stringify(join(import.meta.dir, "light-output.ts"))};
const out = lightOutput(1);
const line = "x".repeat(999) + "\\n";
for (let i = 0; i < 3000; i++) if (!out.write(line)) await new Promise((resume) => out.once("drain", resume));
if (out.writableLength > 0) await new Promise((done) => out.write("", () => done(undefined)));
process.exit(0);
`,
  );
  const child = Bun.spawn(
    ["sh", "-c", `"${process.execPath}" "${script}" | (head -c 1000 >/dev/null; read -r _; cat | wc -c)`],
    { stdin: "ignore", stdout: "pipe" },
  );
  const count = Number(await new Response(child.stdout).text());
  // `read` takes one line of a thousand bytes
  expect(count).toBe(3_000_000 - 2000);
});
