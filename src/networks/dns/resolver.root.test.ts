import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { decode, encode } from "dns-packet";
import { must, run } from "../../../test/fixtures/network-lab.ts";
import type { Box } from "./protocol.ts";
import { Resolver } from "./resolver.ts";
import { HostServers } from "./upstreams.ts";

setDefaultTimeout(30_000);

const namespace = `berth-dns-${process.pid}`;
const netnsPath = `/run/netns/${namespace}`;
const folder = mkdtempSync(`${tmpdir()}/berth-dns-`);
const script = new URL("../../../test/fixtures/dns-ask.ts", import.meta.url).pathname;

interface Answered {
  readonly rcode: string;
  readonly data: readonly string[];
  readonly truncated: boolean;
  readonly authoritative: boolean;
}
const ask = async (...words: string[]): Promise<Answered> =>
  JSON.parse(await must("nsenter", `--net=${netnsPath}`, process.execPath, script, "ask", ...words)) as Answered;

beforeAll(async () => {
  await must("ip", "netns", "add", namespace);
  await must("ip", "-n", namespace, "link", "set", "lo", "up");
});
afterAll(async () => {
  await must("ip", "netns", "del", namespace);
  rmSync(folder, { recursive: true });
});

const boxOf = (wish: Partial<Box> = {}): Box => ({
  id: "web",
  netnsPath,
  places: [
    {
      networkId: "n",
      networkName: "front",
      names: ["web", "www"],
      ipv4: "10.1.0.2",
      ipv6: "fd00:1::2",
      subnets: ["10.1.0.0/24"],
      links: {},
    },
  ],
  forwards: true,
  servers: [],
  egressNames: [],
  ...wish,
});

/** A name server of the host at port 53 of a loopback address; gives what it was asked. */
async function upstream(
  address: string,
  reply: (name: string) => { rcode?: number; data?: string } | undefined,
): Promise<{ asked: string[] } & Disposable> {
  const asked: string[] = [];
  const answerTo = (packet: Buffer): Buffer | undefined => {
    const { id, questions = [] } = decode(packet);
    const [question] = questions;
    if (question === undefined) return undefined;
    asked.push(question.name);
    const found = reply(question.name);
    if (found === undefined) return undefined;
    return encode({
      id: id ?? 0,
      type: "response",
      flags: found.rcode ?? 0,
      questions: [question],
      answers: found.data === undefined ? [] : [{ type: "A", name: question.name, ttl: 60, data: found.data }],
    });
  };
  const udp = await Bun.udpSocket({
    hostname: address,
    port: 53,
    socket: {
      data(socket, packet, port, from) {
        const answer = answerTo(packet);
        if (answer !== undefined) socket.send(answer, port, from);
      },
    },
  });
  const tcp = Bun.listen({
    hostname: address,
    port: 53,
    socket: {
      data(socket, packet) {
        const answer = answerTo(packet.subarray(2));
        if (answer !== undefined)
          socket.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]));
      },
    },
  });
  return {
    asked,
    [Symbol.dispose]() {
      udp.close();
      tcp.stop(true);
    },
  };
}

function resolverWith(...servers: string[]): Resolver {
  const path = `${folder}/resolv-${servers.join("-")}`;
  writeFileSync(path, servers.map((server) => `nameserver ${server}\n`).join(""));
  return new Resolver({ hostServers: new HostServers(path) });
}

test("names answer by UDP and TCP at 127.0.0.11 inside, beside a name server of the container's own", async () => {
  const resolver = resolverWith();
  await resolver.put(boxOf());
  try {
    expect(await ask("www")).toEqual({ rcode: "NOERROR", data: ["10.1.0.2"], truncated: false, authoritative: true });
    expect((await ask("www", "AAAA", "tcp")).data).toEqual(["fd00:1::2"]);
    expect((await ask("2.0.1.10.in-addr.arpa", "PTR")).data).toEqual(["web.front"]);
    // nothing of ours is at port 53 of the wildcard address
    const own = await run(
      "nsenter",
      `--net=${netnsPath}`,
      process.execPath,
      "-e",
      "await Bun.udpSocket({hostname:'0.0.0.0',port:53}); Bun.listen({hostname:'0.0.0.0',port:53,socket:{data(){}}}).stop(); process.exit(0)",
    );
    expect(own).toEqual({ status: 0, output: "" });
    // No server to ask: at once, not after a while.
    expect((await ask("nosuch")).rcode).toBe("SERVFAIL");
  } finally {
    resolver.drop("web");
  }
});

test("a box that changes keeps answering at the same sockets; one that is dropped does not answer", async () => {
  const resolver = resolverWith();
  await resolver.put(boxOf());
  const [place] = boxOf().places;
  if (place === undefined) throw new Error("no place");
  await resolver.put(boxOf({ places: [{ ...place, names: ["renamed"] }] }));
  expect((await ask("renamed")).data).toEqual(["10.1.0.2"]);
  // Opened anew over the rules of before, as after the resolver's own death.
  const successor = resolverWith();
  await successor.put(boxOf());
  expect((await ask("web")).data).toEqual(["10.1.0.2"]);
  resolver.drop("web");
  expect((await ask("web")).data).toEqual(["10.1.0.2"]);
  successor.drop("web");
  expect(await successor.sync([boxOf({ id: "gone", netnsPath: "/run/netns/there-is-none" })])).toEqual({
    gone: expect.stringContaining("ENOENT"),
  });
});

test("what is not ours is asked of the host's servers, all at once, by the protocol of the question", async () => {
  using deaf = await upstream("127.83.0.1", () => undefined);
  using good = await upstream("127.83.0.2", (name) => (name === "example.test" ? { data: "192.0.2.7" } : { rcode: 3 }));
  const resolver = resolverWith("127.83.0.1", "127.83.0.2");
  await resolver.put(boxOf());
  try {
    expect(await ask("example.test")).toMatchObject({ rcode: "NOERROR", data: ["192.0.2.7"], authoritative: false });
    expect(await ask("example.test", "A", "tcp")).toMatchObject({ data: ["192.0.2.7"] });
    expect(await ask("missing.test")).toMatchObject({ rcode: "NXDOMAIN", data: [] });
    expect((await ask("web")).data).toEqual(["10.1.0.2"]);
    expect([...new Set(deaf.asked)].sort()).toEqual(["example.test", "missing.test"]);
    expect([...new Set(good.asked)].sort()).toEqual(["example.test", "missing.test"]);
  } finally {
    resolver.drop("web");
  }
});

test("a container on internal networks only gets no answer from outside, and nobody outside is asked", async () => {
  using server = await upstream("127.83.0.3", () => ({ data: "192.0.2.7" }));
  const resolver = resolverWith("127.83.0.3");
  await resolver.put(boxOf({ forwards: false }));
  try {
    expect(await ask("example.test")).toMatchObject({ rcode: "SERVFAIL", data: [] });
    expect((await ask("web")).data).toEqual(["10.1.0.2"]);
    expect(server.asked).toEqual([]);
  } finally {
    resolver.drop("web");
  }
});

test("servers of --dns are asked from inside the container's namespace, and never ourselves", async () => {
  using outside = await upstream("127.83.0.4", () => ({ data: "192.0.2.7" }));
  const resolver = resolverWith("127.83.0.4");
  // Its loopback is the namespace's own: nobody listens there.
  await resolver.put(boxOf({ servers: ["127.0.0.11", "127.83.0.4"] }));
  try {
    expect(await ask("example.test")).toMatchObject({ rcode: "SERVFAIL" });
    expect(outside.asked).toEqual([]);
  } finally {
    resolver.drop("web");
  }
});
