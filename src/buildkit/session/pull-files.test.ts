import { expect, test } from "bun:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { errorMessage } from "../../base/errors.ts";
import type { Packet, PacketSchema } from "../../spec/buildkit/files.gen.ts";
import { FileSync } from "../../spec/buildkit/session-files.gen.ts";
import { sessionPair } from "../fixtures/session-pair.ts";
import { pullFiles } from "./pull-files.ts";
import type { Session } from "./session.ts";

type Sent = MessageInitShape<typeof PacketSchema>;
type Client = (packets: AsyncIterable<Packet>, headers: Headers) => AsyncIterable<Sent>;

const stat = (path: string, size = 0): Sent => ({ type: 0, stat: { path, mode: 0o644, size: BigInt(size) } });
const listEnd: Sent = { type: 0 };

/** Serves files of memory as fsutil's sender does: pieces of all files that are asked for, one after the other. */
const honest = (files: Record<string, Uint8Array>): Client =>
  async function* (packets) {
    const names = Object.keys(files);
    for (const name of names) yield stat(name, files[name]?.length);
    yield listEnd;
    for await (const packet of packets) {
      if (packet.type === 3) {
        yield { type: 3 };
        return;
      }
      const bytes = files[names[packet.ID] ?? ""] ?? new Uint8Array();
      for (let at = 0; at < bytes.length; at += 32 * 1024)
        yield { type: 2, ID: packet.ID, data: bytes.subarray(at, at + 32 * 1024) };
      yield { type: 2, ID: packet.ID };
    }
  };

async function pull(
  client: Client,
  options: { wants?: (path: string) => boolean; excludePatterns?: string[] } = {},
): Promise<{ files: Record<string, Buffer>; listed: string[]; failure: string }> {
  await using pair = await sessionPair((router) =>
    router.service(FileSync, { diffCopy: (packets, context) => client(packets, context.requestHeader) }),
  );
  return await receive(pair.session, options); // the pair lives until it is over
}

async function receive(
  session: Session,
  options: { wants?: (path: string) => boolean; excludePatterns?: string[]; signal?: AbortSignal } = {},
): Promise<{ files: Record<string, Buffer>; listed: string[]; failure: string }> {
  const files: Record<string, Buffer> = {};
  const listed: string[] = [];
  let failure = "";
  try {
    await pullFiles(
      session,
      { folder: "context", excludePatterns: options.excludePatterns ?? [] },
      {
        ...(options.signal ? { signal: options.signal } : {}),
        receiver: {
          entry({ path }) {
            listed.push(path);
            if (options.wants?.(path) === false) return undefined;
            const pieces: Uint8Array[] = [];
            return { write: (bytes) => void pieces.push(bytes), end: () => void (files[path] = Buffer.concat(pieces)) };
          },
        },
      },
    );
  } catch (error) {
    failure = errorMessage(error);
  }
  return { files, listed, failure };
}

test("files come whole, and only those that are wanted", async () => {
  const big = new Uint8Array(3_000_000).map((_, at) => at % 251);
  const { files, listed, failure } = await pull(
    honest({ a: new TextEncoder().encode("one"), big, c: new Uint8Array() }),
    {
      wants: (path) => path !== "a",
    },
  );
  expect(failure).toBe("");
  expect(listed).toEqual(["a", "big", "c"]);
  expect(Object.keys(files).sort()).toEqual(["big", "c"]);
  expect(files["big"]?.equals(big)).toBe(true);
  expect(files["c"]?.length).toBe(0);
});

test("patterns travel as one header line each, odd characters escaped as BuildKit reads them", async () => {
  let seen: string | null = "";
  let encoded: string | null = "";
  const look: Client = (packets, headers) => {
    seen = headers.get("exclude-patterns");
    encoded = headers.get("exclude-patterns-encoded");
    return honest({})(packets, headers);
  };
  expect((await pull(look, { excludePatterns: ["*.md", "a, b", "!x|y%20.md"] })).failure).toBe("");
  expect([seen, encoded] as (string | null)[]).toEqual(["*.md, a, b, !x|y%20.md", null]);
  expect((await pull(look, { excludePatterns: ["ü", "a,b"] })).failure).toBe("");
  expect([seen, encoded] as (string | null)[]).toEqual(["%C3%BC, a%2Cb", "1"]);
});

test("a client that lies, fails or leaves ends the pull with a reason", async () => {
  const cases: [string, Client, RegExp][] = [
    [
      "says why it cannot read",
      async function* () {
        yield { type: 4, data: new TextEncoder().encode("open /secret: permission denied") };
      },
      /^open \/secret: permission denied$/,
    ],
    [
      "sends what was not asked for",
      async function* () {
        yield stat("a");
        yield { type: 2, ID: 7, data: new Uint8Array(1) };
      },
      /was not asked for/,
    ],
    [
      "stops in the middle",
      async function* () {
        yield stat("a", 10);
      },
      /stopped in the middle/,
    ],
    [
      "fails",
      // oxlint-disable-next-line require-yield -- it fails before it says anything
      async function* () {
        throw new Error("no such folder");
      },
      /./,
    ],
  ];
  for (const [what, client, reason] of cases) {
    const { failure } = await pull(client);
    expect([what, failure]).toEqual([what, expect.stringMatching(reason)]);
  }
});

test("a cut connection and an abort end a pull at once", async () => {
  const stuck: Client = async function* (packets) {
    yield stat("a", 10);
    yield listEnd;
    for await (const _ of packets); // never answers
  };
  {
    await using pair = await sessionPair((router) =>
      router.service(FileSync, { diffCopy: (packets, context) => stuck(packets, context.requestHeader) }),
    );
    const pulling = receive(pair.session);
    setTimeout(() => pair.client.destroy(), 50);
    expect((await pulling).failure).not.toBe("");
    expect(pair.session.closed.aborted).toBe(true);
  }
  {
    await using pair = await sessionPair((router) =>
      router.service(FileSync, { diffCopy: (packets, context) => stuck(packets, context.requestHeader) }),
    );
    expect((await receive(pair.session, { signal: AbortSignal.timeout(50) })).failure).not.toBe("");
    expect(pair.session.closed.aborted).toBe(false);
  }
});
