import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { connectEngine } from "../../client/connect.ts";
import type { Command, CommandContext } from "../command.ts";
import { complete } from "../completion/complete.ts";
import { ExitError } from "../exit-error.ts";
import { imageHistory } from "../image/history.ts";
import { imageImport } from "../image/import.ts";
import { imageLs } from "../image/ls.ts";
import { imagePull } from "../image/pull.ts";
import { imageRm } from "../image/rm.ts";
import { imageSave } from "../image/save.ts";
import { networkConnect } from "../network/connect.ts";
import { networkCreate } from "../network/create.ts";
import { networkRm } from "../network/rm.ts";
import { parseFlags } from "../parse.ts";
import { volumeCreate } from "../volume/create.ts";
import { volumePrune } from "../volume/prune.ts";
import { volumeRm } from "../volume/rm.ts";
import { systemDf } from "./df.ts";
import { events } from "./events.ts";
import { makeBusybox } from "./first-image.ts";
import { info } from "./info.ts";
import { inspect } from "./inspect.ts";
import { systemPrune } from "./prune.ts";
import { version } from "./version.ts";

/** A daemon that answers what a test tells it to, on a real socket, and remembers what it was asked. */
type Answer = Response | object | string | undefined;
let answers: Record<string, (url: URL, body: string) => Answer> = {};
let asked: { what: string; query: Record<string, string[]>; body: string }[] = [];
const folder = mkdtempSync(join(tmpdir(), "berth-cli-"));
const socket = join(folder, "engine.sock");
const server = Bun.serve({
  unix: socket,
  async fetch(request) {
    const url = new URL(request.url);
    const path = url.pathname.replace(/^\/v[\d.]+/, "");
    const body = await request.text();
    const query: Record<string, string[]> = {};
    for (const [name, value] of url.searchParams) (query[name] ??= []).push(value);
    const what = `${request.method} ${path}`;
    if (path !== "/_ping") asked.push({ what, query, body });
    const answer = path === "/_ping" ? "OK" : (answers[what]?.(url, body) ?? refuse(404, `no such thing: ${path}`));
    if (answer instanceof Response) return answer;
    return typeof answer === "string"
      ? new Response(answer)
      : Response.json(answer, { headers: { "content-type": "application/json" } });
  },
});
const refuse = (status: number, message: string): Response =>
  Response.json({ message }, { status, headers: { "content-type": "application/json" } });
const jsonLines = (...lines: object[]): Response =>
  new Response(lines.map((line) => `${JSON.stringify(line)}\r\n`).join(""), {
    headers: { "content-type": "application/json" },
  });

afterAll(async () => {
  await server.stop(true);
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  answers = {};
  asked = [];
});

/** Runs a command as main.ts does: its flags parsed from words. */
async function run(
  command: Command,
  words: readonly string[],
  { input = "", signal = new AbortController().signal }: { input?: string; signal?: AbortSignal } = {},
): Promise<{ out: string; err: string; status: number }> {
  const engine = connectEngine(`unix://${socket}`);
  const texts = { out: "", err: "" };
  const writer = (name: "out" | "err"): NodeJS.WriteStream =>
    ({ write: (text: string | Uint8Array) => void (texts[name] += String(text)) }) as unknown as NodeJS.WriteStream;
  const context: CommandContext = {
    engine,
    stdin: Readable.from(input === "" ? [] : [input]) as unknown as NodeJS.ReadStream,
    stdout: writer("out"),
    stderr: writer("err"),
    env: {},
    signal,
    program: "berth",
    invoked: command.path,
    configDir: folder,
    contextName: "default",
  };
  const parsed = parseFlags(command.flags, words);
  try {
    const status = await command.run({ ...context, flags: parsed.values as never, args: parsed.args, set: parsed.set });
    return { ...texts, status: status ?? 0 };
  } catch (error) {
    return {
      ...texts,
      err: `${texts.err}${error instanceof Error ? error.message : String(error)}`,
      status: error instanceof ExitError ? error.status : 1,
    };
  } finally {
    engine.close();
  }
}

const nowSeconds = Math.trunc(Date.now() / 1000);
const image = (more: object): object => ({
  Id: `sha256:${"1".repeat(64)}`,
  ParentId: "",
  RepoTags: [],
  RepoDigests: [],
  Created: nowSeconds - 3600,
  Size: 1_985_774,
  SharedSize: -1,
  Containers: -1,
  Labels: null,
  ...more,
});

test("images shows a row for each tag and one for an image without any", async () => {
  answers["GET /images/json"] = () => [
    image({ RepoTags: ["busybox:latest", "host:5000/a/b:1"] }),
    image({ RepoTags: null }),
    image({ RepoDigests: [`app@sha256:${"2".repeat(64)}`] }),
  ];
  const { out } = await run(imageLs, ["--filter", "dangling=false", "bus*"]);
  expect(out).toBe(
    "REPOSITORY      TAG       IMAGE ID       CREATED             SIZE\n" +
      "busybox         latest    111111111111   About an hour ago   1.99MB\n" +
      "host:5000/a/b   1         111111111111   About an hour ago   1.99MB\n" +
      "<none>          <none>    111111111111   About an hour ago   1.99MB\n" +
      "app             <none>    111111111111   About an hour ago   1.99MB\n",
  );
  expect(JSON.parse(asked[0]?.query["filters"]?.[0] ?? "")).toEqual({
    dangling: { false: true },
    reference: { "bus*": true },
  });
});

test("images --digests adds the column and repeats a tag for each digest", async () => {
  const digest = `sha256:${"2".repeat(64)}`;
  answers["GET /images/json"] = () => [image({ RepoTags: ["app:1"], RepoDigests: [`app@${digest}`] })];
  expect((await run(imageLs, ["--digests", "--format", "{{.Tag}} {{.Digest}}"])).out).toBe(`1 ${digest}\n`);
  expect((await run(imageLs, ["--digests"])).out.split("\n")[0]).toBe(
    `REPOSITORY   TAG       ${"DIGEST".padEnd(74)}IMAGE ID       CREATED             SIZE`,
  );
});

test("history cuts long commands and sizes, --no-trunc does not", async () => {
  const command = `/bin/sh -c ${"x".repeat(60)}`;
  answers["GET /images/a/history"] = () => [
    { Id: "<missing>", Created: nowSeconds - 120, CreatedBy: command, Tags: null, Size: 1234, Comment: "" },
  ];
  expect((await run(imageHistory, ["--format", "{{.ID}} {{.CreatedBy}} {{.Size}}", "a"])).out).toBe(
    `<missing> ${command.slice(0, 44)}… 1.23kB\n`,
  );
  expect((await run(imageHistory, ["--no-trunc", "-H=false", "--format", "{{.CreatedBy}} {{.Size}}", "a"])).out).toBe(
    `${command} 1234\n`,
  );
});

test("rmi removes what it can and fails for the rest, --force only tells", async () => {
  answers["DELETE /images/a"] = () => [{ Untagged: "a:latest" }, { Deleted: "sha256:1" }];
  const failed = await run(imageRm, ["nope", "a"]);
  expect(failed).toEqual({
    out: "Untagged: a:latest\nDeleted: sha256:1\n",
    err: "Error response from daemon: no such thing: /images/nope",
    status: 1,
  });
  expect(await run(imageRm, ["-f", "nope"])).toEqual({
    out: "",
    err: "Error response from daemon: no such thing: /images/nope\n",
    status: 0,
  });
  answers["DELETE /images/a"] = () => refuse(409, "in use");
  expect((await run(imageRm, ["-f", "a"])).status).toBe(1);
});

test("pull names the image at the end and fails with the daemon's text inside the stream", async () => {
  answers["POST /images/create"] = () => jsonLines({ status: "Pulling from library/busybox", id: "latest" });
  expect((await run(imagePull, ["busybox"])).out).toBe(
    "Using default tag: latest\nlatest: Pulling from library/busybox\ndocker.io/library/busybox:latest\n",
  );
  expect(asked[0]?.query).toEqual({ fromImage: ["busybox"], tag: ["latest"] });
  answers["POST /images/create"] = () =>
    jsonLines({ errorDetail: { message: "manifest unknown" }, error: "manifest unknown" });
  expect(await run(imagePull, ["-q", "host:5000/a@sha256:" + "0".repeat(64)])).toEqual({
    out: "",
    err: "manifest unknown",
    status: 1,
  });
  expect((await run(imagePull, ["-a", "a:1"])).err).toBe("tag can't be used with --all-tags/-a");
});

test("save writes the whole archive or nothing", async () => {
  answers["GET /images/get"] = () => new Response("an archive");
  const path = join(folder, "saved.tar");
  expect((await run(imageSave, ["-o", path, "a", "b"])).status).toBe(0);
  expect(await Bun.file(path).text()).toBe("an archive");
  expect(asked[0]?.query).toEqual({ names: ["a", "b"] });
  rmSync(path);
  answers["GET /images/get"] = () => refuse(404, "No such image: a");
  expect(await run(imageSave, ["-o", path, "a"])).toMatchObject({ err: "No such image: a", status: 1 });
  expect(await run(imageSave, ["-o", "/nonex/x.tar", "a"])).toMatchObject({
    err: "failed to save image: invalid output path: stat /nonex: no such file or directory",
    status: 1,
  });
  expect(readdirSync(folder).filter((name) => name.includes("saved"))).toEqual([]);
});

test("import sends the file and its changes", async () => {
  const path = join(folder, "root.tar");
  await Bun.write(path, "tar bytes");
  answers["POST /images/create"] = () => jsonLines({ status: "sha256:1" });
  expect((await run(imageImport, ["-c", 'CMD ["sh"]', "-c", "ENV a=b", "-m", "why", path, "a:1"])).out).toBe(
    "sha256:1\n",
  );
  expect(asked[0]).toMatchObject({
    query: { fromSrc: ["-"], repo: ["a:1"], message: ["why"], changes: ['CMD ["sh"]', "ENV a=b"] },
    body: "tar bytes",
  });
  expect(await run(imageImport, ["/nonex"])).toMatchObject({
    err: "open /nonex: no such file or directory",
    status: 1,
  });
});

test("make-busybox sends the same bytes each time, with sh as the command", async () => {
  answers["POST /images/create"] = () => jsonLines({ status: "sha256:1" });
  await run(makeBusybox, []);
  await run(makeBusybox, ["first:1"]);
  expect(asked.map(({ query }) => query["repo"]?.[0])).toEqual(["busybox:latest", "first:1"]);
  expect(asked[0]?.query["changes"]).toEqual(['CMD ["sh"]']);
  expect(asked[0]?.body.length).toBeGreaterThan(100_000);
  expect(asked[0]?.body === asked[1]?.body).toBe(true);
  const script = join(folder, "script");
  await Bun.write(script, "#!/bin/sh\n");
  expect((await run(makeBusybox, ["--busybox", script])).err).toBe(`${script} is not a program`);
  expect((await run(makeBusybox, ["--busybox", "/bin/ls"])).err).toContain("/bin/ls is not statically linked");
});

test("network create puts gateways and ranges to their subnets", async () => {
  answers["POST /networks/create"] = () =>
    Response.json({ Id: "abc", Warning: "careful" }, { status: 201, headers: { "content-type": "application/json" } });
  const words = [
    "--subnet",
    "10.1.0.0/16,fd00::/64",
    "--gateway",
    "10.1.0.1",
    "--gateway",
    "fd00::1",
    "--ip-range",
    "10.1.1.0/24",
    "--aux-address",
    "a=10.1.0.5",
    "-o",
    "k=v",
    "--label",
    "l",
    "--internal",
    "--ipv6",
    "net",
  ];
  expect(await run(networkCreate, words)).toEqual({ out: "abc\n", err: "WARNING: careful\n", status: 0 });
  expect(JSON.parse(asked[0]?.body ?? "")).toEqual({
    Name: "net",
    Driver: "bridge",
    Scope: "",
    Internal: true,
    Attachable: false,
    Ingress: false,
    ConfigOnly: false,
    EnableIPv6: true,
    IPAM: {
      Driver: "default",
      Options: {},
      Config: [
        { Subnet: "10.1.0.0/16", IPRange: "10.1.1.0/24", Gateway: "10.1.0.1", AuxiliaryAddresses: { a: "10.1.0.5" } },
        { Subnet: "fd00::/64", Gateway: "fd00::1" },
      ],
    },
    Options: { k: "v" },
    Labels: { l: "" },
  });
});

test("network create refuses what cannot be, before asking the daemon", async () => {
  const cases: [string[], string][] = [
    [["--subnet", "10.99.1.0/24", "--gateway", "10.99.2.1"], "no matching subnet for gateway 10.99.2.1"],
    [["--gateway", "10.99.2.1"], "every ip-range or gateway must have a corresponding subnet"],
    [
      ["--subnet", "10.99.1.0/24", "--subnet", "10.99.1.0/25"],
      "multiple overlapping subnet configuration is not supported",
    ],
    [
      ["--subnet", "10.99.1.0/24,10.98.0.0/16", "--gateway", "10.99.1.1", "--gateway", "10.99.1.2"],
      "cannot configure multiple gateways (10.99.1.2, 10.99.1.1) for the same subnet (10.99.1.0/24)",
    ],
  ];
  for (const [words, message] of cases)
    expect(await run(networkCreate, [...words, "net"])).toEqual({ out: "", err: message, status: 1 });
  expect(asked).toEqual([]);
});

test("network rm goes on after a failure and leaves status 1", async () => {
  answers["DELETE /networks/a"] = () => new Response(null, { status: 204 });
  expect(await run(networkRm, ["nope", "a"])).toEqual({
    out: "a\n",
    err: "Error response from daemon: no such thing: /networks/nope\n",
    status: 1,
  });
  expect(await run(networkRm, ["-f", "nope"])).toEqual({ out: "", err: "", status: 0 });
});

test("network connect sends addresses, aliases and driver options", async () => {
  answers["POST /networks/n/connect"] = () => new Response(null, { status: 200 });
  await run(networkConnect, [
    "--ip",
    "10.0.0.2",
    "--alias",
    "a,b",
    "--driver-opt",
    "k=v",
    "--link",
    "c:d",
    "--gw-priority",
    "3",
    "n",
    "c",
  ]);
  expect(JSON.parse(asked[0]?.body ?? "")).toEqual({
    Container: "c",
    EndpointConfig: {
      IPAMConfig: { IPv4Address: "10.0.0.2", IPv6Address: "", LinkLocalIPs: [] },
      Links: ["c:d"],
      Aliases: ["a", "b"],
      DriverOpts: { k: "v" },
      GwPriority: 3,
    },
  });
});

test("volume create and rm", async () => {
  answers["POST /volumes/create"] = (_url, body) =>
    Response.json(JSON.parse(body), { status: 201, headers: { "content-type": "application/json" } });
  expect((await run(volumeCreate, ["-o", "type=tmpfs", "--label", "a=b", "v"])).out).toBe("v\n");
  expect(JSON.parse(asked[0]?.body ?? "")).toEqual({
    Name: "v",
    Driver: "local",
    DriverOpts: { type: "tmpfs" },
    Labels: { a: "b" },
  });
  answers["DELETE /volumes/v"] = () => new Response(null, { status: 204 });
  answers["DELETE /volumes/w"] = () => refuse(409, "remove w: volume is in use - [1]");
  expect(await run(volumeRm, ["v", "w"])).toEqual({
    out: "v\n",
    err: "Error response from daemon: remove w: volume is in use - [1]",
    status: 1,
  });
});

test("prune asks first, and does nothing without a yes", async () => {
  answers["POST /volumes/prune"] = () => ({ VolumesDeleted: ["v"], SpaceReclaimed: 1500 });
  for (const input of ["", "n\n", "yes\n"])
    expect((await run(volumePrune, [], { input })).out).toEndWith("Are you sure you want to continue? [y/N] ");
  expect(asked).toEqual([]);
  expect((await run(volumePrune, [], { input: "Y\n" })).out).toEndWith(
    "[y/N] Deleted Volumes:\nv\n\nTotal reclaimed space: 1.5kB\n",
  );
  expect(asked[0]?.query).toEqual({});
  await run(volumePrune, ["-af", "--filter", "label=x"]);
  expect(JSON.parse(asked[1]?.query["filters"]?.[0] ?? "")).toEqual({ label: { x: true }, all: { true: true } });
});

test("system prune adds up what each kind freed, and a daemon without a builder is fine", async () => {
  answers["POST /containers/prune"] = () => ({ ContainersDeleted: ["c1", "c2"], SpaceReclaimed: 1000 });
  answers["POST /networks/prune"] = () => ({ NetworksDeleted: null });
  answers["POST /images/prune"] = () => ({
    ImagesDeleted: [{ Untagged: "a:1" }, { Deleted: "sha256:1" }],
    SpaceReclaimed: 500,
  });
  answers["POST /build/prune"] = () => refuse(501, "no builder");
  expect(await run(systemPrune, ["-f"])).toEqual({
    out: "Deleted Containers:\nc1\nc2\n\nDeleted Images:\nuntagged: a:1\ndeleted: sha256:1\n\nTotal reclaimed space: 1.5kB\n",
    err: "",
    status: 0,
  });
  expect(asked.map(({ what }) => what)).not.toContain("POST /volumes/prune");
});

test("inspect walks the kinds in docker's order and says what it did not find", async () => {
  answers["GET /info"] = () => ({ Swarm: { ControlAvailable: false } });
  answers["GET /volumes/v"] = () => ({ Name: "v", Driver: "local", Labels: null });
  const found = await run(inspect, ["-s", "-f", "{{.Name}} {{.Labels}}", "v", "nope"]);
  expect(found).toEqual({
    out: "v map[]\n",
    err: "WARNING: --size ignored for volume\nError: No such object: nope",
    status: 1,
  });
  expect(
    asked.filter(({ what }) => what.endsWith("nope") || what.endsWith("nope/json")).map(({ what }) => what),
  ).toEqual([
    "GET /containers/nope/json",
    "GET /images/nope/json",
    "GET /networks/nope",
    "GET /volumes/nope",
    "GET /plugins/nope/json",
  ]);
  expect((await run(inspect, ["--type", "foo", "v"])).err).toStartWith(
    'unknown type: "foo": must be one of "config", "container"',
  );
  expect(await run(inspect, ["--type", "network", "v"])).toEqual({
    out: "[]\n",
    err: "Error response from daemon: no such thing: /networks/v",
    status: 1,
  });
});

test("inspect does not hide a daemon that fails", async () => {
  answers["GET /containers/x/json"] = () => refuse(500, "disk on fire");
  expect((await run(inspect, ["x"])).err).toBe("Error response from daemon: disk on fire");
});

test("system df counts as docker does", async () => {
  answers["GET /system/df"] = () => ({
    LayersSize: 1000,
    Images: [
      image({ Size: 600, SharedSize: 100, Containers: 1 }),
      image({ Size: 400, SharedSize: 100, Containers: 0 }),
    ],
    Containers: [
      { Id: "1", State: "running", SizeRw: 30 },
      { Id: "2", State: "exited", SizeRw: 70 },
    ],
    Volumes: [
      { Name: "v", UsageData: { Size: 10, RefCount: 0 } },
      { Name: "w", UsageData: { Size: -1, RefCount: 1 } },
    ],
    BuildCache: null,
  });
  expect((await run(systemDf, [])).out).toBe(
    "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n" +
      "Images          2         1         1kB       500B (50%)\n" +
      "Containers      2         1         100B      70B (70%)\n" +
      "Local Volumes   2         1         10B       10B (100%)\n" +
      "Build Cache     0         0         0B        0B\n",
  );
});

test("events print their time to the nanosecond, in every format", async () => {
  const line =
    '{"status":"start","id":"c","from":"i","Type":"container","Action":"start","Actor":{"ID":"c","Attributes":{"name":"n","image":"\\u003ci\\u003e"}},"scope":"local","time":1795243767,"timeNano":1795243767854936509}';
  answers["GET /events"] = () => new Response(`${line}\n`);
  expect((await run(events, ["--since", "1600000000", "--until", "1600000001"])).out).toMatch(
    /^2026-11-2\dT\d\d:49:27\.854936509\S+ container start c \(image=<i>, name=n\)\n$/,
  );
  expect(asked[0]?.query).toEqual({ since: ["1600000000"], until: ["1600000001"] });
  expect((await run(events, ["--format", "json"])).out).toBe(
    `${line.replaceAll("\\u003c", "<").replaceAll("\\u003e", ">")}\n`,
  );
  expect((await run(events, ["--format", "{{.TimeNano}} {{.Actor.Attributes.name}} {{.Status}}"])).out).toBe(
    "1795243767854936509 n start\n",
  );
  expect((await run(events, ["--format", "{{json .}}"])).out).toContain('"timeNano":1795243767854936509');
  expect(await run(events, ["--format", "{{.Foo}}"])).toMatchObject({
    err: 'Error parsing format: template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type *events.Message',
    status: 64,
  });
});

test("events stop without a word at ^C", async () => {
  answers["GET /events"] = () => new Response(new ReadableStream({ start: (controller) => controller.enqueue("\n") }));
  const stop = new AbortController();
  const running = run(events, [], { signal: stop.signal });
  const deadline = Date.now() + 5000;
  while (asked.length === 0 && Date.now() < deadline) await Bun.sleep(5);
  stop.abort(new ExitError(130));
  expect(await running).toEqual({ out: "", err: "", status: 130 });
});

test("info and version show their half when there is no daemon", async () => {
  answers["GET /info"] = () => refuse(500, "down");
  answers["GET /version"] = () => refuse(500, "down");
  const shown = await run(info, []);
  expect(shown.out).toContain("Client:\n Version:");
  expect(shown).toMatchObject({ err: "Error response from daemon: down", status: 1 });
  const about = await run(version, []);
  expect(about.out).toContain(" API version:       1.51\n");
  expect(about.out).not.toContain("Server:");
  expect(about.status).toBe(1);
});

test("version formats and says when the API is older", async () => {
  answers["GET /version"] = () => ({
    Version: "1.2",
    ApiVersion: "1.41",
    Components: [
      {
        Name: "Engine",
        Version: "1.2",
        Details: { ApiVersion: "1.41", MinAPIVersion: "1.24", BuildTime: "2026-05-07T21:09:36Z" },
      },
    ],
  });
  const { out } = await run(version, []);
  expect(out).toContain(" API version:       1.41 (downgraded from 1.51)\n");
  expect(out).toContain("  API version:      1.41 (minimum version 1.24)\n");
  expect(out).toContain("  Built:            Thu May  7 21:09:36 2026\n");
  expect((await run(version, ["-f", "{{.Server.Version}} {{.Client.APIVersion}}"])).out).toBe("1.2 1.41\n");
  expect(await run(version, ["-f", "{{.Server.Foo}}"])).toMatchObject({
    err: 'template: version:1:9: executing "version" at <.Server.Foo>: can\'t evaluate field Foo in type *types.Version',
    status: 1,
  });
  expect((await run(version, ["-f", "{{.Foo"])).status).toBe(64);
});

test("completion knows commands, flags, values of flags and names of objects", async () => {
  answers["GET /containers/json"] = () => [{ Names: ["/web", "/other/web"] }, { Names: ["/db"] }];
  answers["GET /images/json"] = () => [image({ RepoTags: ["busybox:latest"] })];
  answers["GET /networks"] = () => [{ Name: "bridge" }];
  const engine = connectEngine(`unix://${socket}`);
  const words = async (...typed: string[]): Promise<string[]> =>
    (await complete(typed, () => engine)).candidates.map(({ word }) => word);
  expect(await words("im")).toEqual(["image", "images", "import"]);
  expect(await words("context", "")).toEqual([
    "create",
    "export",
    "import",
    "inspect",
    "ls",
    "rm",
    "show",
    "update",
    "use",
  ]);
  expect(await words("network", "create", "--ip")).toEqual([
    "--ip-range",
    "--ipam-driver",
    "--ipam-opt",
    "--ipv4",
    "--ipv6",
  ]);
  expect(await words("images", "-q", "--qu")).toEqual([]);
  expect(await words("inspect", "--type", "vol")).toEqual(["volume"]);
  expect(await words("inspect", "--type=vol")).toEqual(["volume"]);
  expect(await words("-H", "unix:///x", "rmi", "bus")).toEqual(["busybox:latest"]);
  expect(await words("network", "connect", "")).toEqual(["bridge"]);
  expect(await words("network", "connect", "bridge", "")).toEqual(["web", "db"]);
  expect(await words("network", "connect", "bridge", "web", "")).toEqual([]);
  expect(await words("run", "--network=br")).toEqual(["bridge"]);
  expect((await complete(["run", "busybox", ""], () => engine)).directive).toBe(0);
  expect((await complete(["no-such-command", ""], () => engine)).candidates).toEqual([]);
  engine.close();
});

test("completion without a daemon is empty, not an error", async () => {
  const engine = connectEngine("unix:///nonexistent/engine.sock");
  expect(await complete(["rm", ""], () => engine)).toEqual({ candidates: [], directive: 4 });
  engine.close();
});
