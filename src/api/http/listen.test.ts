import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEngine } from "../../client/connect.ts";
import type { Caller } from "../../spec/caller.ts";
import { failure, fakeDeps } from "../fixtures/fake-deps.ts";
import { serveApi } from "../server.ts";

const pem = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), "utf8");
const serverTls = { ca: pem("ca.pem"), cert: pem("server.pem"), key: pem("server.key"), verify: true };

test("TLS with client certificates: the subject is the caller, strangers and the nameless are refused", async () => {
  const { deps, fake } = fakeDeps();
  const server = await serveApi({
    deps,
    listeners: [{ kind: "tcp", host: "127.0.0.1", port: 0, tls: serverTls }],
    log: () => {},
  });
  const host = server.addresses[0] ?? "";
  expect(host).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
  const alice = connectEngine(host, {
    tls: { ca: pem("ca.pem"), cert: pem("client.pem"), key: pem("client.key"), verify: true },
  });
  await alice.call("ContainerCreate", {}, { Image: "busybox" });
  expect(fake.calls[0]?.[2]).toMatchObject({ caller: { via: "tls", subject: "alice" } });

  const { stream } = await alice.hijack("ContainerAttach", { id: "web", stream: true, stdin: true, stdout: true });
  stream.end("x".repeat(1_000_000));
  let bytes = 0;
  for await (const piece of stream) bytes += (piece as Buffer).length;
  expect(bytes).toBe(1_000_000);
  alice.close();

  const mallory = connectEngine(host, {
    tls: { ca: pem("ca.pem"), cert: pem("stranger.pem"), key: pem("stranger.key"), verify: true },
  });
  expect(await failure(mallory.call("SystemPing", {}))).not.toBe("");
  expect(
    await failure(connectEngine(host, { tls: { ca: pem("ca.pem"), verify: true } }).call("SystemPing", {})),
  ).not.toBe("");
  expect(await failure(connectEngine(host, { tls: { verify: true } }).call("SystemPing", {}))).not.toBe("");
  expect(await failure(connectEngine(host).call("SystemPing", {}))).not.toBe("");
  await server.close();
  expect(fake.calls.filter(([name]) => name === "create")).toHaveLength(1);
});

test("a unix socket has the mode and group asked for, tells who calls, and its stale file is taken over", async () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-listen-"));
  const path = join(folder, "api.sock");
  const { deps } = fakeDeps();
  const callers: Caller[] = [];
  deps.containers.create = async (_request, { caller }) => {
    callers.push(caller);
    return { id: "1", warnings: [] };
  };
  const open = () => serveApi({ deps, listeners: [{ kind: "unix", path, mode: 0o640, gid: 0 }], log: () => {} });
  const server = await open();
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(await failure(open())).toContain("another daemon serves it");
  const engine = connectEngine(`unix://${path}`);
  await engine.call("ContainerCreate", {}, { Image: "busybox" });
  engine.close();
  expect(callers).toEqual([
    { via: "unix", pid: process.pid, uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 },
  ]);
  await server.close();
  expect(existsSync(path)).toBe(false);

  // a socket file whose server was killed
  const killed = Bun.spawn([
    process.execPath,
    "-e",
    `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`,
  ]);
  await killed.exited;
  expect(existsSync(path)).toBe(true);
  await (await open()).close();

  writeFileSync(path, "not a socket");
  chmodSync(path, 0o600);
  expect(await failure(open())).toContain("not a socket");
  expect(readFileSync(path, "utf8")).toBe("not a socket");
  rmSync(folder, { recursive: true });
});

test("when one listener cannot be opened, none stays open", async () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-listen-"));
  const path = join(folder, "api.sock");
  const taken = net.createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const failing = serveApi({
    deps: fakeDeps().deps,
    listeners: [
      { kind: "unix", path },
      { kind: "tcp", host: "127.0.0.1", port },
    ],
    log: () => {},
  });
  expect(await failure(failing)).toContain(`cannot listen on tcp://127.0.0.1:${port}`);
  expect(existsSync(path)).toBe(false);
  taken.close();
  rmSync(folder, { recursive: true });
});
