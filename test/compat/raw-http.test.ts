import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import Docker from "dockerode";
import { eventsOf, importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
let docker: Docker;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  docker = new Docker({ socketPath: daemon.socket });
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

type Json = Record<string, unknown>;
const json = async (method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> => {
  const answer = await daemon.request(method, path, body);
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
};
const create = async (name: string, more: object = {}): Promise<string> => {
  const { status, body } = await json("POST", `/containers/create?name=${name}`, {
    Image: "busybox",
    Cmd: ["sleep", "600"],
    ...more,
  });
  expect({ name, status, body }).toMatchObject({ name, status: 201 });
  return (body as { Id: string }).Id;
};

describe("wait", () => {
  test("not-running answers at once, next-exit at the next exit, removed at the removal with the code", async () => {
    await create("ww", { Cmd: ["sh", "-c", "exit 4"] });
    expect(await json("POST", "/containers/ww/wait")).toEqual({ status: 200, body: { StatusCode: 0 } });
    const next = json("POST", "/containers/ww/wait?condition=next-exit");
    const removed = json("POST", "/containers/ww/wait?condition=removed");
    await daemon.request("POST", "/containers/ww/start");
    expect(await next).toEqual({ status: 200, body: { StatusCode: 4 } });
    expect(await json("POST", "/containers/ww/wait?condition=not-running")).toEqual({
      status: 200,
      body: { StatusCode: 4 },
    });
    await daemon.request("DELETE", "/containers/ww");
    expect(await removed).toEqual({ status: 200, body: { StatusCode: 4 } });
    expect((await json("POST", "/containers/ww/wait?condition=bogus")).status).toBe(400);
    expect(await json("POST", "/containers/nosuch/wait")).toEqual({
      status: 404,
      body: { message: "No such container: nosuch" },
    });
  });

  test("the answer's head comes before the container ends", async () => {
    await create("early");
    await daemon.request("POST", "/containers/early/start");
    const answer = await daemon.request("POST", "/containers/early/wait?condition=next-exit");
    expect(answer.status).toBe(200);
    await daemon.request("DELETE", "/containers/early?force=1");
    expect(await answer.json()).toEqual({ StatusCode: 137 });
  });
});

describe("filters", () => {
  test("are read in both encodings, with odd booleans beside them", async () => {
    await create("f1", { Labels: { "a b": "c&d", tier: "web" } });
    await create("f2", { Labels: { tier: "db" } });
    const names = async (filters: string, more = "all=1"): Promise<string[]> => {
      const { body } = await json("GET", `/containers/json?${more}&filters=${filters}`);
      return (body as { Names: string[] }[]).map(({ Names }) => Names[0] ?? "").sort();
    };
    const encode = (value: unknown): string => encodeURIComponent(JSON.stringify(value));
    expect(await names(encode({ label: { "tier=web": true } }))).toEqual(["/f1"]);
    expect(await names(encode({ label: ["tier=web"] }))).toEqual(["/f1"]);
    expect(await names(encode({ label: ["a b=c&d"] }).replaceAll("%20", "+"))).toEqual(["/f1"]);
    expect(await names(encode({ label: { "tier=web": true, "tier=db": false } }))).toEqual(["/f1"]);
    expect(await names(encode({ label: ["tier"], name: ["f2"] }))).toEqual(["/f2"]);
    for (const [text, expected] of [
      ["1", 2],
      ["true", 2],
      ["True", 2],
      ["0", 0],
      ["False", 0],
      ["no", 0],
    ] as const) {
      expect({ text, count: (await names(encode({ label: ["tier"] }), `all=${text}`)).length }).toEqual({
        text,
        count: expected,
      });
    }
    expect((await json("GET", `/containers/json?all=1&limit=1`)).body).toHaveLength(1);
    expect((await json("GET", `/containers/json?limit=-1&all=1`)).body).toHaveLength(2);
    for (const bad of ["[]", "{", '{"bogus":["x"]}'])
      expect((await daemon.request("GET", `/containers/json?filters=${encodeURIComponent(bad)}`)).status).toBe(400);
    for (const name of ["f1", "f2"]) await daemon.request("DELETE", `/containers/${name}`);
  });
});

describe("attach", () => {
  test("by websocket carries both directions", async () => {
    await create("ws", { Cmd: ["cat"], OpenStdin: true, Tty: false });
    await daemon.request("POST", "/containers/ws/start");
    const socket = new WebSocket(
      `ws+unix://${daemon.socket}:/v1.51/containers/ws/attach/ws?stream=1&stdin=1&stdout=1&stderr=1`,
    );
    socket.binaryType = "arraybuffer";
    let heard = "";
    socket.addEventListener("message", ({ data }) => void (heard += new TextDecoder().decode(data as ArrayBuffer)));
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error("no websocket")));
    });
    socket.send(new TextEncoder().encode("over the socket\n"));
    await until("the echo", () => heard.includes("over the socket\n"));
    socket.close();
    await daemon.request("DELETE", "/containers/ws?force=1");
  });

  test("errors are text on the hijacked connection, and 200 without Upgrade ends by close", async () => {
    const ask = (request: string): Promise<string> =>
      new Promise((resolve) => {
        let answer = "";
        const socket = connect(daemon.socket, () => socket.write(request));
        socket.on("data", (chunk) => void (answer += chunk.toString("latin1")));
        socket.on("close", () => resolve(answer));
        socket.on("error", () => resolve(answer));
      });
    const missing = await ask(
      "POST /v1.51/containers/nosuch/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
    );
    expect(missing).toStartWith("HTTP/1.1 404 ");
    expect(missing).toContain("No such container: nosuch");
    await create("plain", { Cmd: ["sh", "-c", "sleep 0.2; echo framed"] });
    const attached = ask(
      "POST /v1.51/containers/plain/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n",
    );
    await daemon.request("POST", "/containers/plain/start");
    const text = await attached;
    expect(text).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(text).toContain("application/vnd.docker.raw-stream");
    expect(text).not.toContain("chunked");
    expect(text).toEndWith("\x01\0\0\0\0\0\0\x07framed\n");
    await daemon.request("DELETE", "/containers/plain?force=1");
  });

  test("logs=1 replays what was said, stream=0 ends then", async () => {
    await create("said", { Cmd: ["echo", "before"] });
    await daemon.request("POST", "/containers/said/start");
    await (await daemon.request("POST", "/containers/said/wait")).text(); // its headers come at once
    const answer = await daemon.request("POST", "/containers/said/attach?logs=1&stream=0&stdout=1&stderr=1");
    expect(await answer.text()).toBe("\x01\0\0\0\0\0\0\x07before\n");
    await daemon.request("DELETE", "/containers/said");
  });
});

describe("exec", () => {
  test("resize changes the window, inspect tells all, a second start is told in the stream", async () => {
    const id = await create("xx");
    await daemon.request("POST", "/containers/xx/start");
    const exec = await docker.getContainer("xx").exec({
      Cmd: ["sh", "-c", "sleep 0.3; stty size"],
      Tty: true,
      AttachStdout: true,
      AttachStderr: true,
      User: "0",
    });
    expect(await exec.inspect()).toMatchObject({
      ExitCode: null,
      Running: false,
      OpenStdin: false,
      OpenStdout: true,
      ContainerID: id,
      ProcessConfig: { tty: true, entrypoint: "sh", arguments: ["-c", "sleep 0.3; stty size"], privileged: false },
    });
    const stream = await exec.start({ Tty: true });
    let shown = "";
    stream.on("data", (chunk: Buffer) => void (shown += chunk.toString()));
    const ended = new Promise((resolve) => stream.on("end", resolve));
    await until(
      "it may be resized",
      async () => (await daemon.request("POST", `/exec/${exec.id}/resize?h=44&w=99`)).status === 200,
    );
    await ended;
    expect(shown).toBe("44 99\r\n");
    expect(await exec.inspect()).toMatchObject({ ExitCode: 0, Running: false });
    const again = await daemon.request("POST", `/exec/${exec.id}/start`, { Detach: false, Tty: true });
    expect({ status: again.status, text: await again.text() }).toEqual({
      status: 200,
      text: expect.stringMatching(/exec command [0-9a-f]{64} has already run/i),
    });
    expect((await json("POST", `/exec/${exec.id}/start`, { Detach: true })).status).toBe(409);
    expect((await json("POST", "/containers/xx/exec", { Cmd: [] })).status).toBe(400);
    expect((await json("POST", "/containers/xx/exec", { Cmd: ["id"], User: "nosuch" })).status).toBe(400);
    const detached = await json("POST", "/containers/xx/exec", { Cmd: ["sh", "-c", "exit 9"] });
    const detachedId = (detached.body as { Id: string }).Id;
    expect((await daemon.request("POST", `/exec/${detachedId}/start`, { Detach: true })).status).toBe(200);
    await until(
      "it ended",
      async () => ((await json("GET", `/exec/${detachedId}/json`)).body as Json)["ExitCode"] === 9,
    );
    await daemon.request("DELETE", "/containers/xx?force=1");
    expect((await json("GET", `/exec/${detachedId}/json`)).status).toBe(404);
  });

  test("resize of the container needs both numbers and a running one", async () => {
    await create("sized", { Tty: true });
    expect((await json("POST", "/containers/sized/resize?h=1&w=1")).status).toBe(409);
    await daemon.request("POST", "/containers/sized/start");
    expect((await daemon.request("POST", "/containers/sized/resize?h=31&w=71")).status).toBe(200);
    expect((await json("POST", "/containers/sized/resize?h=31")).status).toBe(400);
    expect((await json("POST", "/containers/sized/resize?h=x&w=1")).status).toBe(400);
    await daemon.request("DELETE", "/containers/sized?force=1");
  });
});

describe("archive", () => {
  test("head tells the file, get and put move it, in created and running containers", async () => {
    await create("aa");
    const head = await daemon.request("HEAD", "/containers/aa/archive?path=/etc");
    const stat = JSON.parse(atob(head.headers.get("x-docker-container-path-stat") ?? "")) as {
      name: string;
      mode: number;
    };
    expect(stat.name).toBe("etc");
    expect(stat.mode >>> 31).toBe(1); // Go's directory bit
    const got = await daemon.request("GET", "/containers/aa/archive?path=/etc/passwd");
    expect(got.headers.get("content-type")).toBe("application/x-tar");
    const tar = new Uint8Array(await got.arrayBuffer());
    expect(new TextDecoder().decode(tar.subarray(0, 6))).toBe("passwd");
    const put = (path: string, body: Uint8Array) =>
      fetch(`http://d/containers/aa/archive?path=${path}`, {
        method: "PUT",
        unix: daemon.socket,
        body: body as BodyInit,
        headers: { "Content-Type": "application/x-tar" },
      });
    expect((await put("/tmp", Bun.gzipSync(tar))).status).toBe(200);
    await daemon.request("POST", "/containers/aa/start");
    expect(await daemon.ok("exec", "aa", "cmp", "/etc/passwd", "/tmp/passwd")).toBe("");
    expect((await put("/etc/passwd", tar)).status).toBe(400);
    expect((await put("/nosuch", tar)).status).toBe(404);
    expect(await json("GET", "/containers/aa/archive?path=/nosuch")).toMatchObject({
      status: 404,
      body: { message: "Could not find the file /nosuch in container aa" },
    });
    expect((await json("GET", "/containers/aa/archive")).status).toBe(400);
    expect((await put("/tmp", new TextEncoder().encode("garbage".repeat(200)))).status).toBeGreaterThanOrEqual(400);
    await daemon.request("DELETE", "/containers/aa?force=1");
  });
});

describe("shapes", () => {
  const samples = "/work/shared/reference/samples";
  const sample = async (name: string): Promise<Json> => JSON.parse(await readFile(join(samples, name), "utf8")) as Json;
  const keys = (value: unknown): string[] => Object.keys((value ?? {}) as object).sort();

  test.skipIf(!existsSync(samples))(
    `inspect has the fields of recorded answers${existsSync(samples) ? "" : " (no recordings beside this repository)"}`,
    async () => {
      const recorded = await sample("v1.51/container-inspect.running.json");
      await create("shape", {
        Healthcheck: { Test: ["CMD", "true"], Interval: 1e9 },
        ExposedPorts: { "80/tcp": {} },
        StopSignal: "SIGTERM",
        StopTimeout: 3,
        Labels: { a: "b" },
        HostConfig: {
          Mounts: [{ Type: "tmpfs", Target: "/t" }],
          Init: true,
          Tmpfs: { "/tt": "" },
          Sysctls: { "net.ipv4.ip_forward": "1" },
          Annotations: { a: "b" },
        },
      });
      await daemon.request("POST", "/containers/shape/start");
      const shown = (await json("GET", "/containers/shape/json?size=1")).body as Json;
      expect(keys(shown)).toEqual(expect.arrayContaining(keys(recorded)));
      expect(keys(shown["State"])).toEqual(
        expect.arrayContaining(keys(recorded["State"]).filter((key) => key !== "Health")),
      );
      for (const part of ["HostConfig", "Config"] as const) {
        const optional = ["Binds", "StorageOpt", "Mounts", "Init", "MacAddress"];
        expect({
          part,
          missing: keys(recorded[part]).filter((key) => !optional.includes(key) && !keys(shown[part]).includes(key)),
        }).toEqual({ part, missing: [] });
      }
      expect(keys(shown["NetworkSettings"])).toEqual(expect.arrayContaining(keys(recorded["NetworkSettings"])));
      const endpoint = (value: Json): unknown =>
        Object.values((value["NetworkSettings"] as { Networks: Json }).Networks)[0];
      expect(keys(endpoint(shown))).toEqual(keys(endpoint(recorded)));
      // nulls and lists: what is a list there is one here or null
      const host = shown["HostConfig"] as Json;
      for (const [key, value] of Object.entries(recorded["HostConfig"] as Json)) {
        if (Array.isArray(value))
          expect({ key, list: host[key] === null || Array.isArray(host[key]) }).toEqual({ key, list: true });
        else if (value !== null && host[key] !== null)
          expect({ key, type: typeof host[key] }).toEqual({ key, type: typeof value });
      }
      await until(
        "healthy",
        async () =>
          ((await json("GET", "/containers/shape/json")).body as { State: { Health: { Status: string } } }).State.Health
            .Status === "healthy",
      );
      const { Health } = ((await json("GET", "/containers/shape/json")).body as { State: { Health: { Log: Json[] } } })
        .State;
      expect(keys(Health)).toEqual(["FailingStreak", "Log", "Status"]);
      expect(keys(Health.Log[0])).toEqual(["End", "ExitCode", "Output", "Start"]);
      await daemon.request("DELETE", "/containers/shape?force=1");
    },
  );

  test.skipIf(!existsSync(samples))(
    `lists, info, version, df and stats have the fields of recorded answers${existsSync(samples) ? "" : " (no recordings beside this repository)"}`,
    async () => {
      await create("listed", { ExposedPorts: { "80/tcp": {} } });
      await daemon.request("POST", "/containers/listed/start");
      const first = (value: unknown): unknown => (value as unknown[])[0];
      const compare = async (
        path: string,
        name: string,
        pick: (value: unknown) => unknown = (value) => value,
      ): Promise<void> => {
        const recorded = keys(pick(await sample(name)));
        const shown = keys(pick((await json("GET", path)).body));
        expect({ path, missing: recorded.filter((key) => !shown.includes(key)) }).toEqual({ path, missing: [] });
      };
      await compare("/containers/json?all=1&size=1", "v1.51/containers-json.json", first);
      await compare("/images/json", "v1.51/images-json.json", first);
      await compare("/images/busybox/json", "v1.51/image-inspect.json");
      await compare("/version", "v1.51/version.json");
      await compare("/system/df", "v1.51/df.json");
      await compare("/networks/bridge", "v1.51/network-inspect.json");
      await compare("/containers/listed/stats?stream=0&one-shot=1", "v1.51/stats-oneshot.json");
      await compare(
        "/containers/listed/stats?stream=0&one-shot=1",
        "v1.51/stats-oneshot.json",
        (value) => (value as Json)["cpu_stats"],
      );
      await compare(
        "/containers/listed/stats?stream=0&one-shot=1",
        "v1.51/stats-oneshot.json",
        (value) => (value as Json)["memory_stats"],
      );
      await compare("/containers/listed/top", "top.json");
      // what an engine without swarm and containerd leaves out
      const absent = ["Containerd", "BridgeNfIptables", "BridgeNfIp6tables", "DiscoveredDevices"];
      const shown = keys((await json("GET", "/info")).body);
      expect(
        keys(await sample("v1.51/info.json")).filter((key) => !absent.includes(key) && !shown.includes(key)),
      ).toEqual([]);
      await daemon.request("DELETE", "/containers/listed?force=1");
    },
  );
});

test("events have Docker's attributes for each action", async () => {
  const id = await create("e1", {
    Labels: { of: "test" },
    Cmd: ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"],
    HostConfig: { Binds: ["evol:/d:ro"] },
  });
  for (const [method, path, body] of [
    ["POST", "start"],
    ["POST", "pause"],
    ["POST", "unpause"],
    ["GET", "top"],
    ["POST", "resize?h=1&w=2"],
    ["POST", "rename?name=e2"],
    ["POST", "update", { PidsLimit: 50 }],
    ["GET", "archive?path=/etc/passwd"],
    ["GET", "export"],
    ["POST", "kill?signal=TERM"],
    ["POST", "wait"],
  ] as const) {
    const answer = await daemon.request(method, `/containers/${id}/${path}`, body);
    await answer.arrayBuffer();
    expect({ path, ok: answer.ok || path.startsWith("resize") }).toEqual({ path, ok: true });
  }
  await daemon.request("DELETE", `/containers/${id}`);
  await daemon.request("DELETE", "/volumes/evol");
  const end = String(Math.floor(Date.now() / 1000) + 1);
  const lines = (
    await daemon.ok("events", "--since", "1", "--until", end, "-f", `container=${id}`, "--format", "{{json .}}")
  )
    .split("\n")
    .map((line) => JSON.parse(line) as { Type: string; Action: string; Actor: { Attributes: Record<string, string> } });
  const attributes = (action: string): Record<string, string> | undefined =>
    lines.find((line) => line.Type === "container" && line.Action === action)?.Actor.Attributes;
  const own = { image: "busybox", of: "test" };
  expect(attributes("create")).toEqual({ ...own, name: "e1" });
  expect(attributes("pause")).toEqual({ ...own, name: "e1" });
  expect(attributes("rename")).toEqual({ ...own, name: "e2", oldName: "/e1" });
  expect(attributes("kill")).toEqual({ ...own, name: "e2", signal: "15" });
  expect(attributes("die")).toEqual({
    ...own,
    name: "e2",
    exitCode: "3",
    execDuration: expect.stringMatching(/^\d+$/),
  });
  expect(
    lines
      .filter(({ Type }) => Type === "container")
      .map(({ Action }) => Action)
      .filter((action) => action !== "resize"),
  ).toEqual([
    "create",
    "start",
    "pause",
    "unpause",
    "top",
    "rename",
    "update",
    "archive-path",
    "export",
    "kill",
    "die",
    "destroy",
  ]);
  expect(await eventsOf(daemon, "type=volume", "volume=evol")).toEqual(["create", "mount", "unmount", "destroy"]);
  const mount = JSON.parse(
    await daemon.ok(
      "events",
      "--since",
      "1",
      "--until",
      end,
      "-f",
      "type=volume",
      "-f",
      "event=mount",
      "--format",
      "{{json .Actor.Attributes}}",
    ),
  ) as object;
  expect(mount).toEqual({ container: id, destination: "/d", driver: "local", propagation: "", "read/write": "false" });
});
