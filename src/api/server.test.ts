import { expect, test } from "bun:test";
import net from "node:net";
import { fakeContainer, fakeDeps, raw, testServer } from "./fixtures/fake-deps.ts";

const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n${more}\r\n`;
const post = (path: string, body: string, more = ""): string =>
  `POST ${path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;
const bodyOf = (answer: string): string => answer.slice(answer.indexOf("\r\n\r\n") + 4);
const statusOf = (answer: string): number => Number(answer.split(" ")[1]);

test("_ping answers OK with the headers clients negotiate by, HEAD without a body", async () => {
  await using server = await testServer(fakeDeps().deps);
  const answer = await raw(server.path, get("/_ping"));
  expect(answer).toStartWith(
    "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: Docker/",
  );
  expect(bodyOf(answer)).toBe("OK");
  const head = await raw(server.path, get("/v1.41/_ping").replace("GET", "HEAD"));
  expect(head).toContain("Content-Length: 0\r\n");
  expect(bodyOf(head)).toBe("");
});

test("versions out of range are refused in Docker's words", async () => {
  await using server = await testServer(fakeDeps().deps);
  const tooNew = await raw(server.path, get("/v1.99/info"));
  expect(statusOf(tooNew)).toBe(400);
  expect(JSON.parse(bodyOf(tooNew))).toEqual({
    message: "client version 1.99 is too new. Maximum supported API version is 1.51",
  });
  const tooOld = await raw(server.path, get("/v1.23/info"));
  expect(bodyOf(tooOld)).toBe(
    "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n",
  );
});

test("an unknown page and a wrong method are 404 JSON with exactly the content type that Go clients read", async () => {
  await using server = await testServer(fakeDeps().deps);
  for (const request of [get("/nope"), get("/containers/create"), get("/v1.40/containers/%ZZ/json")]) {
    const answer = await raw(server.path, request);
    expect(statusOf(answer)).toBe(404);
    expect(answer).toContain("\r\nContent-Type: application/json\r\n");
    expect(bodyOf(answer)).toBe('{"message":"page not found"}\n');
  }
});

test("names with slashes, colons and escapes reach the route", async () => {
  await using server = await testServer(fakeDeps().deps);
  for (const name of ["127.0.0.1:5000/a/b", "127.0.0.1:5000%2Fa%2Fb"]) {
    const answer = await raw(server.path, get(`/v1.51/images/${name}/json`));
    expect(JSON.parse(bodyOf(answer)).message).toBe("No such image: 127.0.0.1:5000/a/b");
  }
});

test("malformed HTTP is answered by 400 and closed, and the server lives on", async () => {
  await using server = await testServer(fakeDeps().deps);
  const hostile = [
    "GARBAGE\r\n\r\n",
    "GET /_ping HTTP/1.1\r\n\r\n",
    "GET /_ping HTTP/1.1\r\nHost: d\r\nBad Header: x\r\n\r\n",
    "GET /_ping HTTP/1.1\r\nHost: d\r\n folded\r\n\r\n",
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: -1\r\n\r\n",
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 1, 2\r\n\r\n{}",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ];
  for (const request of hostile) expect([request, statusOf(await raw(server.path, request))]).toEqual([request, 400]);
  const huge = await raw(server.path, `GET /_ping HTTP/1.1\r\nHost: d\r\nX: ${"a".repeat(300 * 1024)}\r\n\r\n`);
  expect(statusOf(huge)).toBe(431);
  expect(statusOf(await raw(server.path, get("/_ping")))).toBe(200);
});

test("a bad body is 400 and names the field", async () => {
  const { deps, fake } = fakeDeps();
  await using server = await testServer(deps);
  const cases: [string, string][] = [
    ["{", "invalid JSON"],
    ["[]", "body must be an object"],
    ["null", "config cannot be empty in order to create a container"],
    ['{"Image":1}', "Image must be a string, got a number"],
    ['{"HostConfig":{"Memory":"1g"}}', "HostConfig.Memory must be an integer, got a string"],
    [
      '{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}',
      "HostConfig.PortBindings.80/tcp[0].HostPort must be a string",
    ],
    ['{"Env":{"a":1}}', "Env must be a list, got an object"],
  ];
  for (const [body, text] of cases) {
    const answer = await raw(server.path, post("/containers/create", body));
    expect([body, statusOf(answer)]).toEqual([body, 400]);
    expect(JSON.parse(bodyOf(answer)).message).toContain(text);
  }
  const empty = await raw(server.path, post("/containers/create", ""));
  expect(JSON.parse(bodyOf(empty)).message).toBe("invalid JSON: got EOF while reading request body");
  const text = await raw(server.path, post("/containers/create", "{}").replace("application/json", "text/plain"));
  expect(JSON.parse(bodyOf(text)).message).toBe(
    "unsupported Content-Type header (text/plain): must be 'application/json'",
  );
  const big = await raw(
    server.path,
    post("/containers/create", JSON.stringify({ Image: "x".repeat(5 * 1024 * 1024) })),
  );
  expect(statusOf(big)).toBe(400);
  expect(fake.calls).toEqual([]);
});

test("a body as Go sends it passes: nulls, a string for Cmd, names in another case, in chunks, byte by byte", async () => {
  const { deps, fake } = fakeDeps();
  await using server = await testServer(deps);
  const body = '{"image":"busybox","Cmd":"true","Env":[null,"A=b"],"HostConfig":null,"Labels":null}';
  expect(statusOf(await raw(server.path, post("/containers/create?name=x", body)))).toBe(201);
  expect(fake.calls[0]).toEqual([
    "create",
    { Image: "busybox", Cmd: ["true"], Env: ["", "A=b"], HostConfig: null, Labels: null },
    {
      name: "x",
      platform: "",
      caller: { via: "unix", pid: process.pid, uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 },
    },
  ]);
  const chunked = `POST /containers/create HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${[...body].map((char) => `1;x=y\r\n${char}\r\n`).join("")}0\r\nTrailer: x\r\n\r\n`;
  const socket = net.connect(server.path);
  let answer = "";
  socket.on("data", (chunk) => (answer += chunk));
  for (const char of chunked) {
    socket.write(char);
    await new Promise(setImmediate);
  }
  await new Promise((resolve) => socket.once("end", resolve));
  expect(statusOf(answer)).toBe(201);
  expect(fake.calls[1]?.[1]).toEqual(fake.calls[0]?.[1]);
});

test("one connection serves requests one after the other, also when they come together", async () => {
  await using server = await testServer(fakeDeps().deps);
  const answer = await raw(
    server.path,
    `GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n${post("/containers/nope/kill", "{}").replace("Connection: close\r\n", "")}${get("/version")}`,
  );
  expect([...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))).toEqual([200, 404, 200]);
});

test("100-continue is sent before the body is read", async () => {
  const { deps } = fakeDeps();
  await using server = await testServer(deps);
  const socket = net.connect(server.path);
  socket.write(
    "PUT /containers/web/archive?path=/ HTTP/1.1\r\nHost: d\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
  );
  let text = "";
  await new Promise<void>((resolve) => socket.on("data", (chunk) => ((text += chunk), resolve())));
  expect(text).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  socket.write("abc");
  await new Promise((resolve) => socket.once("end", resolve));
  expect(text).toContain("HTTP/1.1 200 OK");
});

test("wait sends its headers before the container ends", async () => {
  const { deps, fake } = fakeDeps();
  await using server = await testServer(deps);
  const head = await raw(server.path, "POST /containers/web/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n\r\n", {
    until: "\r\n\r\n",
  });
  expect(head).toStartWith("HTTP/1.1 200 OK");
  const whole = raw(server.path, "POST /containers/web/wait HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
  fake.exit.resolve({ exitCode: 137 });
  expect(await whole).toContain('{"StatusCode":137}\n');
  expect(
    statusOf(
      await raw(server.path, "POST /containers/web/wait?condition=x HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"),
    ),
  ).toBe(400);
});

test("304 has no body and keeps the connection", async () => {
  await using server = await testServer(fakeDeps().deps);
  const answer = await raw(server.path, `POST /containers/web/start HTTP/1.1\r\nHost: d\r\n\r\n${get("/_ping")}`);
  expect(answer).toMatch(/^HTTP\/1\.1 304 Not Modified\r\n(?:[^\r]+\r\n)+\r\nHTTP\/1\.1 200 OK/);
  expect(statusOf(await raw(server.path, post("/containers/web/start", '{"Binds":[]}')))).toBe(400);
});

test("a form body counts as query", async () => {
  const { deps, fake } = fakeDeps();
  await using server = await testServer(deps);
  await raw(
    server.path,
    post("/containers/web/kill", "signal=HUP").replace("application/json", "application/x-www-form-urlencoded"),
  );
  expect(fake.calls[0]?.[2]).toMatchObject({ killSignal: "HUP" });
});

test("filters come in both encodings and unknown ones are refused", async () => {
  const { deps } = fakeDeps({
    list: [
      fakeContainer({ name: "a", labels: { app: "x=y" } }),
      fakeContainer({ name: "b", state: { status: "exited", pid: 0 } }),
    ],
  });
  await using server = await testServer(deps);
  const names = async (filters: unknown): Promise<string[]> => {
    const answer = await raw(
      server.path,
      get(`/containers/json?filters=${encodeURIComponent(JSON.stringify(filters))}`),
    );
    return (JSON.parse(bodyOf(answer)) as { Names: string[] }[]).map(({ Names }) => Names[0] ?? "");
  };
  expect(await names({})).toEqual(["/a"]);
  expect(await names({ label: { "app=x=y": true } })).toEqual(["/a"]);
  expect(await names({ label: ["app=x=z"] })).toEqual([]);
  expect(await names({ status: ["exited"], name: ["b"] })).toEqual(["/b"]);
  expect(await names({ name: ["^/a$"], status: ["exited", "running"] })).toEqual(["/a"]);
  expect(await names({ publish: ["32760-32770/tcp"] })).toEqual(["/a"]);
  const begin = performance.now();
  expect(await names({ name: ["(a+)+$", "(a|a)*b", ".*.*.*.*x"] })).toEqual([]);
  expect(performance.now() - begin).toBeLessThan(500);
  const bogus = await raw(server.path, get(`/containers/json?filters=${encodeURIComponent('{"bogus":["1"]}')}`));
  expect([statusOf(bogus), bodyOf(bogus)]).toEqual([400, `{"message":"invalid filter 'bogus'"}\n`]);
});

test("operations of what is not here answer as a daemon without it", async () => {
  await using server = await testServer(fakeDeps().deps);
  const swarm = await raw(server.path, get("/services"));
  expect(statusOf(swarm)).toBe(503);
  expect(bodyOf(swarm)).toContain("This node is not a swarm manager.");
  expect(bodyOf(await raw(server.path, get("/plugins")))).toBe("[]\n");
  expect(statusOf(await raw(server.path, post("/swarm/init", "{}")))).toBe(501);
});

test("a stop ends idle connections and open streams", async () => {
  const { deps } = fakeDeps();
  const server = await testServer(deps);
  const idle = raw(server.path, "");
  const events = raw(server.path, "GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
  while (server.connections() < 2 || deps.events.listeners === 0) await new Promise(setImmediate);
  const begin = performance.now();
  await server[Symbol.asyncDispose]();
  expect(performance.now() - begin).toBeLessThan(2000);
  expect(await idle).toBe("");
  expect(await events).toContain("0\r\n\r\n");
});
