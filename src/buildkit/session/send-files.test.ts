import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { AsyncQueue } from "../../base/async-queue.ts";
import { errorMessage } from "../../base/errors.ts";
import { type Packet, PacketSchema } from "../../spec/buildkit/files.gen.ts";
import { FileSend } from "../../spec/buildkit/session-files.gen.ts";
import { sessionPair } from "../fixtures/session-pair.ts";
import { sendBytes } from "./send-bytes.ts";
import { sendFiles } from "./send-files.ts";

const methods = ["/moby.filesync.v1.FileSend/DiffCopy"];
/** The service as it is for folders: the same method, with packets. */
const folderMethod = { ...FileSend.method.diffCopy, input: PacketSchema, output: PacketSchema };

test("a tree arrives in order, with modes, links and content", async () => {
  const folder = mkdtempSync("/tmp/berth-send-");
  const tar = join(folder, "x.tar");
  Bun.spawnSync(
    [
      "sh",
      "-c",
      `mkdir -p t/b/c && cd t && head -c 100000 /dev/zero | tr '\\0' z > b/c/big && echo a > a && chmod 4755 a && ln -s a b/link && echo last > b.txt && tar -cf ${tar} .`,
    ],
    { cwd: folder },
  );
  const listed: [string, number, string][] = [];
  const files: Record<string, number> = {};
  let exporter: string | null = "";
  await using pair = await sessionPair(
    (router) =>
      router.rpc(folderMethod, async function* (packets: AsyncIterable<Packet>, context) {
        exporter = context.requestHeader.get("buildkit-attachable-exporter-id");
        const out = new AsyncQueue<Packet>();
        const say = (type: number, ID = 0): void => void out.push(create(PacketSchema, { type, ID }));
        const names: string[] = [];
        let open = 0;
        let whole = false;
        void (async () => {
          for await (const packet of packets) {
            if (packet.type === 0 && packet.stat) {
              const { path, mode, linkname } = packet.stat;
              listed.push([path, mode >>> 0, linkname]);
              names.push(path);
              if ((mode & 0x88000000) !== 0) continue;
              open++;
              say(1, names.length - 1);
            } else if (packet.type === 0) whole = true;
            else if (packet.type === 2 && packet.data.length > 0)
              files[names[packet.ID] ?? ""] = (files[names[packet.ID] ?? ""] ?? 0) + packet.data.length;
            else if (packet.type === 2) open--;
            else if (packet.type === 3) out.end();
            if (whole && open === 0 && packet.type !== 3) {
              whole = false;
              say(3);
            }
          }
        })();
        yield* out;
      }),
    { methods },
  );
  await sendFiles(pair.session, tar, { exporterId: "3", signal: AbortSignal.timeout(5000) });
  expect(exporter as string | null).toBe("3");
  expect(listed).toEqual([
    ["a", 0x00800000 | 0o755, ""],
    ["b", 0x80000000 + 0o755, ""],
    ["b/c", 0x80000000 + 0o755, ""],
    ["b/c/big", 0o644, ""],
    ["b/link", 0x08000000 | 0o777, "a"],
    ["b.txt", 0o644, ""],
  ]);
  expect(files).toEqual({ a: 2, "b/c/big": 100000, "b.txt": 5 });
  rmSync(folder, { recursive: true });
});

test("an archive arrives whole; a client that fails or takes nothing is told of", async () => {
  let got = 0;
  await using pair = await sessionPair(
    (router) =>
      router.service(FileSend, {
        async *diffCopy(messages, context) {
          for await (const { data } of messages) {
            got += data.length;
            if (context.requestHeader.get("buildkit-attachable-exporter-id") === "1") throw new Error("disk full");
          }
          yield* [];
        },
      }),
    { methods },
  );
  const signal = AbortSignal.timeout(10_000);
  const send = sendBytes(pair.session, { exporterId: "0", signal });
  for (let count = 0; count < 5; count++) await send.write(new Uint8Array(3_000_000));
  await send.end();
  expect(got).toBe(15_000_000);
  const failing = sendBytes(pair.session, { exporterId: "1", signal });
  let failure = "";
  try {
    for (let count = 0; count < 50; count++) await failing.write(new Uint8Array(3_000_000));
    await failing.end();
  } catch (error) {
    failure = errorMessage(error);
  }
  expect(failure).not.toBe("");
  await using other = await sessionPair(() => {});
  expect(() => sendBytes(other.session, { exporterId: "0", signal })).toThrow("takes no files");
});
