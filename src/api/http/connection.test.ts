import { expect, test } from "bun:test";
import net, { type Socket } from "node:net";
import { fakeDeps, raw, testServer } from "../fixtures/fake-deps.ts";
import { Connection } from "./connection.ts";

/** A client's socket and the server's Connection behind it. */
async function pair(): Promise<{
  client: Socket;
  connection: Connection;
  received: () => string;
  closed: Promise<void>;
  stop: () => void;
}> {
  const accepted = Promise.withResolvers<Connection>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new Connection(socket, {
      caller: { via: "tcp" },
      baseHeaders: () => "",
      handle: async (exchange) => exchange.send(200, {}, await exchange.body.readAll({ maxBytes: 10, timeoutMs: 100 })),
    });
    void connection.run();
    accepted.resolve(connection);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const client = net.connect(address !== null && typeof address === "object" ? address.port : 0, "127.0.0.1");
  let text = "";
  client.on("data", (chunk) => (text += chunk));
  const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
  return { client, connection: await accepted.promise, received: () => text, closed, stop: () => void server.close() };
}

const head = "POST / HTTP/1.1\r\nHost: d\r\n";

test("a head that does not come in 20 s is answered by 408, an idle connection is closed after 3 minutes", async () => {
  const slow = await pair();
  slow.client.write(head);
  await new Promise((resolve) => setTimeout(resolve, 20));
  slow.connection.sweep(performance.now() + 15_000);
  expect(slow.client.closed).toBe(false);
  slow.connection.sweep(performance.now() + 21_000);
  await slow.closed;
  expect(slow.received()).toStartWith("HTTP/1.1 408 ");
  slow.stop();

  const idle = await pair();
  idle.connection.sweep(performance.now() + 60_000);
  expect(idle.client.closed).toBe(false);
  idle.connection.sweep(performance.now() + 181_000);
  await idle.closed;
  expect(idle.received()).toBe("");
  idle.stop();
});

test("a body that stops coming, or is cut, ends its request and the connection, not the server", async () => {
  for (const [body, cut] of [
    ["Content-Length: 5\r\n\r\nab", false],
    ["Transfer-Encoding: chunked\r\n\r\n5\r\nab", true],
    ["Transfer-Encoding: chunked\r\n\r\nzz\r\n", false],
  ] as const) {
    const one = await pair();
    one.client.write(head + body);
    if (cut) one.client.end();
    await one.closed;
    expect(one.received()).toBe("");
    one.stop();
  }
});

test("thousands of idle connections cost little and do not slow the others", async () => {
  await using server = await testServer(fakeDeps().deps);
  const count = 2000;
  const child = Bun.spawn(
    [
      process.execPath,
      "-e",
      // a hundred at a time: Bun lets 512 wait to be accepted
      `for (let i = 0; i < ${count}; i += 100) await Promise.all(Array.from({ length: 100 }, () => Bun.connect({ unix: ${JSON.stringify(server.path)}, socket: { data() {}, open(s) { s.write("GET /_p"); } } }))); console.log("open"); setTimeout(() => {}, 60000);`,
    ],
    { stdout: "pipe" },
  );
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  await child.stdout.getReader().read();
  while (server.connections() < count) await new Promise(setImmediate);
  Bun.gc(true);
  expect((process.memoryUsage.rss() - before) / count).toBeLessThan(16 * 1024);
  const begin = performance.now();
  await raw(server.path, "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n", { until: "OK" });
  expect(performance.now() - begin).toBeLessThan(500);
  child.kill();
  await child.exited;
});
