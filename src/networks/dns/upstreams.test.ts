import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Ask, askAll, HostServers, type Server } from "./upstreams.ts";

const servers = ["one", "two", "three"].map((address): Server => ({ address, port: 53 }));
/** An answer with a status and a number of records; the last byte says whose it is. */
const answer = (rcode: number, records: number, who: number): Uint8Array =>
  Uint8Array.of(0, 0, 0x80, rcode, 0, 1, 0, records, 0, 0, 0, 0, who);
/** Each server answers when its gate opens. */
function asking(): { ask: Ask; give: (address: string, packet: Uint8Array | Error) => void; asked: () => string[] } {
  const gates = new Map(servers.map(({ address }) => [address, Promise.withResolvers<Uint8Array>()]));
  const asked: string[] = [];
  return {
    ask: async ({ address }) => {
      asked.push(address);
      const gate = gates.get(address);
      if (gate === undefined) throw new Error("no such server");
      return gate.promise;
    },
    give: (address, packet) =>
      packet instanceof Error ? gates.get(address)?.reject(packet) : gates.get(address)?.resolve(packet),
    asked: () => asked,
  };
}
const packet = new Uint8Array(12);

test("all servers are asked at once, and the first answer with records wins over slow and failing ones", async () => {
  const { ask, give, asked } = asking();
  const result = askAll(servers, packet, ask);
  expect(asked()).toEqual(["one", "two", "three"]);
  give("one", answer(2, 0, 1));
  give("three", answer(0, 1, 3));
  expect((await result)?.at(-1)).toBe(3);
});

test("no such name counts at once from the first server, and waits a moment for it from another", async () => {
  const first = asking();
  const one = askAll(servers, packet, first.ask);
  first.give("one", answer(3, 0, 1));
  expect((await one)?.at(-1)).toBe(1);
  const second = asking();
  const two = askAll(servers, packet, second.ask, { graceMs: 10_000 });
  second.give("two", answer(3, 0, 2));
  second.give("one", answer(0, 1, 1));
  expect((await two)?.at(-1)).toBe(1);
  const third = asking();
  const three = askAll(servers, packet, third.ask, { graceMs: 1 });
  third.give("two", answer(3, 0, 2));
  expect((await three)?.at(-1)).toBe(2);
});

test("a failure is told only when there is nothing better, and no answer when nobody answers in time", async () => {
  const { ask, give } = asking();
  const result = askAll(servers, packet, ask);
  give("one", answer(5, 0, 1));
  give("two", new Error("refused"));
  give("three", answer(2, 0, 3));
  expect((await result)?.at(-1)).toBe(1);
  const silent = asking();
  expect(await askAll(servers, packet, silent.ask, { answerWithinMs: 5 })).toBeUndefined();
  expect(await askAll([], packet, silent.ask)).toBeUndefined();
});

test("the host's servers are read again when its file changes", async () => {
  const folder = mkdtempSync(`${tmpdir()}/berth-dns-`);
  try {
    const path = `${folder}/resolv.conf`;
    writeFileSync(
      path,
      "# nameserver 9.9.9.9\nsearch x\nnameserver 10.0.0.1\nnameserver nonsense\nnameserver fd00::1\n",
    );
    expect(new HostServers(path).list()).toEqual([
      { address: "10.0.0.1", port: 53 },
      { address: "fd00::1", port: 53 },
    ]);
    expect(new HostServers(`${folder}/none`).list()).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
