import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { copyFileSync } from "node:fs";
import { makeAuthority } from "../../../test/harness/certificates.ts";
import { failure } from "../fixtures/bytes.ts";
import { scriptedServer } from "../fixtures/scripted-server.ts";
import { defaultRegistrySettings, type RegistrySettings } from "../settings.ts";
import { Transport } from "./transport.ts";

let folder: string;
let tls: { key: string; cert: string };
let clientTls: { key: string; cert: string; ca: string };
let stranger: { key: string; cert: string };

beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-transport-");
  const authority = await makeAuthority(folder);
  const read = async ({ certificate, key }: { certificate: string; key: string }) => ({
    key: await readFile(key, "utf8"),
    cert: await readFile(certificate, "utf8"),
  });
  tls = await read(await authority.issue("server", ["IP:127.0.0.1"]));
  clientTls = { ...(await read(await authority.issue("client", []))), ca: await readFile(authority.file, "utf8") };
  stranger = await read(await authority.issue("elsewhere", ["DNS:elsewhere.test"]));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const settings = (over: Partial<RegistrySettings> = {}): RegistrySettings => ({
  ...defaultRegistrySettings,
  certificateFolders: [],
  ...over,
});
const get = (transport: Transport, url: string, headers: Record<string, string> = {}) =>
  transport.sendFollowing({ method: "GET", url: new URL(url), headers, answerMs: 5000 });
/** A transport for which the own machine is a registry like others: certificates count. */
class StrictTransport extends Transport {
  override insecure(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

test("rights follow a redirect on the same host and stay behind where it leaves it", async () => {
  await using other = await scriptedServer((_request, response) => void response.end("there"));
  await using server = await scriptedServer((request, response) => {
    const to = request.url === "/away" ? `${other.origin}/blob` : request.url === "/near" ? "/end" : undefined;
    if (to === undefined) response.end("here");
    else response.writeHead(307, { Location: to }).end();
  });
  const transport = new Transport(settings());
  const rights = { Authorization: "Bearer secret", Cookie: "secret", Range: "bytes=1-" };
  expect(await (await get(transport, `${server.origin}/near`, rights)).response.text()).toBe("here");
  expect(server.seen.at(-1)?.headers.authorization).toBe("Bearer secret");
  const away = await get(transport, `${server.origin}/away`, rights);
  expect(await away.response.text()).toBe("there");
  expect(away.url.origin).toBe(other.origin);
  expect(JSON.stringify(other.seen[0]?.headers)).not.toContain("secret");
  expect(other.seen[0]?.headers.range).toBe("bytes=1-");
});

test("redirects from https to http, to no address, and without end are refused", async () => {
  await using open = await scriptedServer((_request, response) => void response.end("plain"));
  let location = open.origin;
  await using server = await scriptedServer(
    (_request, response) => void response.writeHead(302, { Location: location }).end(),
    { tls },
  );
  const transport = new Transport(settings());
  expect((await failure(get(transport, server.origin))).message).toContain("redirects from https to http");
  expect(open.seen.length).toBe(0);
  location = "file:///etc/passwd";
  expect((await failure(get(transport, server.origin))).message).toContain("redirects to what is no http address");
  location = "/again";
  expect((await failure(get(transport, server.origin))).message).toContain("redirects without end");
});

test("a certificate must be of a known authority and of the host, unless the host is listed as insecure", async () => {
  await using good = await scriptedServer((_request, response) => void response.end("ok"), { tls });
  await using wrong = await scriptedServer((_request, response) => void response.end("ok"), { tls: stranger });
  const certs = join(folder, "certs.d");
  for (const { host } of [good, wrong]) {
    await mkdir(join(certs, host), { recursive: true });
    copyFileSync(join(folder, "ca.pem"), join(certs, host, "ca.crt"));
  }
  const unknown = await failure(get(new StrictTransport(settings()), good.origin));
  expect(unknown.message).toBe(
    `Get "${good.origin}/": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  );
  const trusting = new StrictTransport(settings({ certificateFolders: [certs] }));
  expect(await (await get(trusting, good.origin)).response.text()).toBe("ok");
  expect((await failure(get(trusting, wrong.origin))).message).toContain(
    "x509: certificate is not valid for 127.0.0.1",
  );
  expect(await (await get(new Transport(settings()), wrong.origin)).response.text()).toBe("ok");
});

test("a client certificate is shown to the host it is for", async () => {
  await using server = await scriptedServer(
    (request, response) => {
      const { authorized } = request.socket as unknown as { authorized?: boolean };
      response.end(String(authorized));
    },
    { tls: { ...tls, ca: clientTls.ca } },
  );
  const certs = join(folder, "client.d");
  await mkdir(join(certs, server.host), { recursive: true });
  copyFileSync(join(folder, "ca.pem"), join(certs, server.host, "ca.crt"));
  copyFileSync(join(folder, "client.pem"), join(certs, server.host, "client.cert"));
  const half = new StrictTransport(settings({ certificateFolders: [certs] }));
  expect((await failure(get(half, server.origin))).message).toBe(
    "missing key client.key for client certificate client.cert. CA certificates must use the extension .crt",
  );
  copyFileSync(join(folder, "client.key"), join(certs, server.host, "client.key"));
  expect(await (await get(half, server.origin)).response.text()).toBe("true");
});

test("what does not speak TLS, listens, or answers is told in docker's words", async () => {
  await using plain = await scriptedServer(() => {});
  const transport = new Transport(settings());
  const url = `https://${plain.host}/`;
  expect((await failure(get(transport, url))).message).toStartWith(
    `Get "${url}": http: server gave HTTP response to HTTPS client`,
  );
  const refused = await failure(get(transport, "http://127.0.0.1:1/v2/?secret=1"));
  expect(refused.message).toBe('Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused');
  const silent = transport.send({ method: "GET", url: new URL(plain.origin), answerMs: 50 });
  expect((await failure(silent)).message).toBe(`Get "${plain.origin}/": no answer in 0.05s`);
});

test("an upload that the server stops taking is given up; what is slow on our side is not", async () => {
  await using deaf = await scriptedServer(() => {}, { raw: true });
  const transport = new Transport(settings({ stallMs: 100 }));
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) yield new Uint8Array(1024 * 1024);
  };
  const stalled = transport.send({ method: "PUT", url: new URL(deaf.origin), body: endless(), answerMs: 60_000 });
  expect((await failure(stalled)).message).toContain("no byte was taken for 0.1s");

  await using ears = await scriptedServer((_request, response, body) => void response.end(String(body.length)));
  const slow = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10);
    await Bun.sleep(250); // longer than the stall limit: the source's own time
    yield new Uint8Array(10);
  };
  const response = await transport.send({ method: "PUT", url: new URL(ears.origin), body: slow(), answerMs: 5000 });
  expect(await response.text()).toBe("20");
});

test("a body whose source fails ends the request with the source's error", async () => {
  await using server = await scriptedServer(() => {}, { raw: true });
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10);
    throw new Error("the disk is gone");
  };
  const sending = new Transport(settings()).send({
    method: "PUT",
    url: new URL(server.origin),
    body: broken(),
    headers: { "Content-Length": "100" },
    answerMs: 5000,
  });
  expect((await failure(sending)).message).toBe("the disk is gone");
});

test("a proxy is used for what it is set for, with TLS through it, and NO_PROXY goes past it", async () => {
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers["proxy-authorization"] ?? ""}`);
    response.end("by proxy");
  });
  proxy.on("connect", (request, socket) => {
    seen.push(`CONNECT ${request.url}`);
    const target = connect(Number(request.url?.split(":")[1]), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      target.pipe(socket);
      socket.pipe(target);
    });
    target.on("error", () => socket.destroy());
    socket.on("error", () => target.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  try {
    await using server = await scriptedServer((_request, response) => void response.end("direct"), { tls: stranger });
    const address = `http://user:p%40ss@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const certs = join(folder, "proxied.d");
    const port = server.host.split(":")[1];
    await mkdir(join(certs, `elsewhere.test:${port}`), { recursive: true });
    copyFileSync(join(folder, "ca.pem"), join(certs, `elsewhere.test:${port}`, "ca.crt"));
    const proxies = { http: address, https: address, no: "direct.invalid" };
    const transport = new Transport(settings({ proxies, certificateFolders: [certs] }));
    expect(await (await get(transport, "http://reg.invalid/v2/")).response.text()).toBe("by proxy");
    expect(seen.at(-1)).toBe(`http://reg.invalid/v2/ Basic ${btoa("user:p@ss")}`);
    expect(await (await get(transport, `https://elsewhere.test:${port}/`)).response.text()).toBe("direct");
    expect(seen.at(-1)).toBe(`CONNECT elsewhere.test:${port}`);
    const count = seen.length;
    expect((await failure(get(transport, "http://direct.invalid/"))).message).toContain("no such host");
    expect(seen.length).toBe(count);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
