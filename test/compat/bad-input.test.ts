import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  expect(await daemon.ok("version", "-f", "{{.Server.Version}}")).not.toBe("");
  await daemon[Symbol.asyncDispose]();
}, 60_000);

async function answer(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; message: string; type: string | null }> {
  const reply = await daemon.request(method, path, body);
  const text = await reply.text();
  return {
    status: reply.status,
    type: reply.headers.get("content-type"),
    message: text.startsWith("{") ? (JSON.parse(text) as { message: string }).message : text,
  };
}

describe("every refusal is Docker's JSON with the right status", () => {
  const create = (more: object) =>
    answer("POST", "/v1.51/containers/create", { Image: "busybox", Cmd: ["true"], ...more });

  test.each([
    ["an image that is not there", { Image: "nosuch" }, 404, "No such image: nosuch:latest"],
    ["no command", { Cmd: [], Entrypoint: [""] }, 400, "no command specified"],
    ["too little memory", { HostConfig: { Memory: 4 << 20 } }, 400, "Minimum memory limit allowed is 6MB"],
    ["a negative CPU share", { HostConfig: { NanoCpus: -1 } }, 400, "range of CPUs"],
    [
      "a relative folder",
      { WorkingDir: "rel" },
      400,
      "the working directory 'rel' is invalid, it needs to be an absolute path",
    ],
    ["a variable without a name", { Env: ["=x"] }, 400, "invalid environment variable: =x"],
    ["a port that is none", { HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "99999" }] } } }, 400, "99999"],
    ["a memory limit that is text", { HostConfig: { Memory: "much" } }, 400, "Memory"],
    [
      "a wrong type deep inside",
      { HostConfig: { RestartPolicy: { MaximumRetryCount: "x" } } },
      400,
      "MaximumRetryCount",
    ],
    [
      "restart with --rm",
      { HostConfig: { AutoRemove: true, RestartPolicy: { Name: "always" } } },
      400,
      "can't create 'AutoRemove' container with restart policy",
    ],
    ["a duplicate mount", { HostConfig: { Binds: ["/tmp:/x", "/var:/x"] } }, 400, "Duplicate mount point: /x"],
    [
      "an unknown capability",
      { HostConfig: { CapAdd: ["NOPE"] } },
      400,
      'invalid CapAdd: unknown capability: "CAP_NOPE"',
    ],
  ])("%s", async (_what, body, status, text) => {
    const { status: got, message, type } = await create(body);
    expect({ got, message: message.includes(text) ? text : message, type }).toEqual({
      got: status,
      message: text,
      type: "application/json",
    });
  });

  test("JSON that is none, a body that is missing, a wrong content type, a body without end", async () => {
    const raw = (body: string, type = "application/json") =>
      fetch("http://d/v1.51/containers/create", {
        method: "POST",
        unix: daemon.socket,
        body,
        headers: { "Content-Type": type },
      });
    expect((await raw("{")).status).toBe(400);
    expect((await raw("")).status).toBe(400);
    expect((await raw("[]")).status).toBe(400);
    expect((await raw('{"Image":"busybox"} trailing')).status).toBe(400);
    expect((await raw("{}", "text/plain")).status).toBe(400);
    expect((await raw(`{"Image":"${"x".repeat(20 << 20)}"}`)).status).toBeGreaterThanOrEqual(400);
  });

  test("unknown paths, methods, versions, ids and filters", async () => {
    expect(await answer("GET", "/v1.51/nosuch")).toMatchObject({ status: 404, message: "page not found" });
    expect((await answer("PUT", "/v1.51/info")).status).toBe(404);
    expect(await answer("GET", "/v1.99/info")).toMatchObject({
      status: 400,
      message: "client version 1.99 is too new. Maximum supported API version is 1.51",
    });
    expect((await answer("GET", "/v1.23/info")).message).toContain("client version 1.23 is too old");
    expect(await answer("GET", "/v1.51/containers/nosuch/json")).toMatchObject({
      status: 404,
      message: "No such container: nosuch",
    });
    expect(await answer("GET", "/v1.51/exec/nosuch/json")).toMatchObject({
      status: 404,
      message: "No such exec instance: nosuch",
    });
    expect(await answer("GET", "/v1.51/volumes/nosuch")).toMatchObject({
      status: 404,
      message: "get nosuch: no such volume",
    });
    expect(await answer("GET", "/v1.51/networks/nosuch")).toMatchObject({
      status: 404,
      message: "network nosuch not found",
    });
    expect(await answer("GET", "/v1.51/images/nosuch/json")).toMatchObject({
      status: 404,
      message: "No such image: nosuch:latest",
    });
    expect(
      (await answer("GET", `/v1.51/containers/json?filters=${encodeURIComponent('{"bogus":["1"]}')}`)).message,
    ).toContain("invalid filter 'bogus'");
    expect((await answer("GET", "/v1.51/containers/json?filters=%7B")).status).toBe(400);
    expect((await answer("GET", "/v1.51/containers/..%2F..%2Fetc/json")).status).toBe(404);
  });
});

test("garbage on the socket ends that connection only", async () => {
  for (const garbage of [
    "\0\xff\x01",
    "GET / HTTP/9.9\r\n\r\n",
    `GET /${"a".repeat(200_000)} HTTP/1.1\r\n`,
    "POST /v1.51/containers/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ]) {
    const socket = connect(daemon.socket);
    await new Promise<void>((resolve) => {
      socket.on("close", () => resolve());
      socket.on("error", () => resolve());
      socket.on("data", () => undefined);
      socket.end(garbage);
    });
  }
  expect((await daemon.request("GET", "/_ping")).status).toBe(200);
});

test("a start that fails leaves nothing half-made, and says why", async () => {
  await daemon.ok("create", "--name", "broken", "busybox", "/nope");
  const failed = await daemon.docker(["start", "broken"]);
  expect(failed.status).toBe(1);
  expect(failed.stderr).toContain("no such file or directory");
  expect(await daemon.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "broken")).toBe("created 127");
  expect(await daemon.ok("inspect", "-f", "{{.State.Error}}", "broken")).toContain("/nope");
  await daemon.ok("rm", "broken");
});

test("images whose /proc, /dev or /sys is a link do not start or stay inside, and the host is untouched", async () => {
  const before = await Bun.$`ls -la /etc | sha256sum`.text();
  for (const name of ["proc", "dev", "sys"]) {
    const folder = await mkdtemp("/tmp/berth-trap-");
    await Bun.$`mkdir -p ${folder}/bin && cp /bin/busybox ${folder}/bin/sh && ln -s /etc ${folder}/${name} && mkdir -p ${folder}/etc && tar -C ${folder} -cf ${folder}.tar .`.quiet();
    await daemon.ok("import", `${folder}.tar`, `trap-${name}`);
    await daemon.docker(["run", "--rm", `trap-${name}`, "/bin/sh", "-c", "echo owned > /etc/owned; :"]);
    await Bun.$`rm -rf ${folder} ${folder}.tar`;
  }
  expect(await Bun.$`ls -la /etc | sha256sum`.text()).toBe(before);
  const leaked = await daemon.docker(["run", "--rm", "-w", "/proc/self/fd/7", "busybox", "pwd"]);
  expect(leaked.status).not.toBe(0);
});
