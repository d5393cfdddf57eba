import { closeSync, openSync, readSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { AsyncQueue } from "../../base/async-queue.ts";
import { EngineError } from "../../base/errors.ts";
import { PacketSchema, type Packet, type Stat, StatSchema } from "../../spec/buildkit/files.gen.ts";
import { FileSend } from "../../spec/buildkit/session-files.gen.ts";
import { type TarEntry, TarReader } from "../../snapshots/apply/tar-reader.ts";
import { packetKind } from "./pull-files.ts";
import type { Session } from "./session.ts";

const pieceBytes = 32 * 1024; // what fsutil's own sender uses
const readBytes = 1024 * 1024;

/** The same call carries file packets for a folder and bytes for an archive. */
const sendPackets = { ...FileSend.method.diffCopy, input: PacketSchema, output: PacketSchema };

interface Listed {
  readonly stat: Stat;
  readonly at: number;
}

/**
 * Sends a file tree, spooled as a tar at `tarPath`, into the folder that the client's exporter `exporterId` names:
 * the sending side of fsutil's protocol.
 */
export async function sendFiles(
  session: Session,
  tarPath: string,
  options: { exporterId: string; signal: AbortSignal },
): Promise<void> {
  if (!session.has("/moby.filesync.v1.FileSend/DiffCopy"))
    throw new EngineError("invalid", "the build's client takes no files: it named no place for the result");
  const fd = openSync(tarPath, "r");
  const out = new AsyncQueue<Packet>();
  try {
    const files = listTar(fd);
    const packet = (init: Partial<Pick<Packet, "type" | "ID" | "data">> & { stat?: Stat }): Promise<void> =>
      out.push(create(PacketSchema, init));
    const answers = session.packets(sendPackets, out, {
      headers: new Headers({ "buildkit-attachable-exporter-id": options.exporterId }),
      signal: options.signal,
    });
    const listing = (async () => {
      for (const { stat } of files) await packet({ type: packetKind.stat, stat });
      await packet({ type: packetKind.stat });
    })();
    let sending: Promise<void> = Promise.resolve();
    for await (const answer of answers) {
      if (answer.type === packetKind.request) {
        const file = files[answer.ID];
        if (!file) throw new EngineError("invalid", "the client asked for a file that it was not told of");
        sending = sending.then(() => sendContent(fd, file, answer.ID, packet));
        sending.catch(() => {}); // looked at before the end
      } else if (answer.type === packetKind.end) {
        await Promise.all([listing, sending]);
        await Promise.race([packet({ type: packetKind.end }), Promise.resolve()]);
        out.end();
      } else if (answer.type === packetKind.error)
        throw new EngineError("invalid", `the client could not write: ${new TextDecoder().decode(answer.data)}`);
    }
  } finally {
    out.end();
    closeSync(fd);
  }
}

async function sendContent(
  fd: number,
  { stat, at }: Listed,
  id: number,
  packet: (init: { type: number; ID: number; data?: Uint8Array }) => Promise<void>,
): Promise<void> {
  for (let sent = 0; sent < Number(stat.size);) {
    const data = Buffer.alloc(Math.min(pieceBytes, Number(stat.size) - sent));
    const got = readSync(fd, data, 0, data.length, at + sent);
    if (got === 0) throw new EngineError("internal", "the archive of the result became shorter");
    await packet({ type: packetKind.data, ID: id, data: data.subarray(0, got) });
    sent += got;
  }
  await packet({ type: packetKind.data, ID: id });
}

/** All entries in the order that the receiver wants: a folder, then what is in it, by name. */
function listTar(fd: number): Listed[] {
  let given = 0;
  let chunk: Uint8Array = new Uint8Array(0);
  const reader = new TarReader({
    next() {
      const bytes = Buffer.alloc(readBytes);
      const got = readSync(fd, bytes, 0, bytes.length, given);
      if (got === 0) return undefined;
      given += got;
      chunk = bytes.subarray(0, got);
      return chunk;
    },
  });
  const files: Listed[] = [];
  for (let entry = reader.next(); entry; entry = reader.next()) {
    const path = utf8(entry.name)
      .replace(/^(\.?\/)+/, "")
      .replace(/\/$/, "");
    if (path === "" || path === ".") continue;
    let at = 0;
    if (entry.type === "file" && entry.sizeBytes > 0) {
      const first = reader.content();
      if (first) at = given - chunk.length + (first.byteOffset - chunk.byteOffset);
    }
    files.push({ stat: statOf(entry, path), at });
  }
  const key = ({ stat }: Listed): string => stat.path.replaceAll("/", "\0");
  return files.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

const utf8 = (latin1: string): string => Buffer.from(latin1, "latin1").toString("utf8");

// Go's FileMode (package io/fs)
const goKinds: Record<TarEntry["type"], number> = {
  file: 0,
  link: 0,
  folder: 0x80000000,
  symlink: 0x08000000,
  block: 0x04000000,
  character: 0x04200000,
  fifo: 0x02000000,
};

function statOf(entry: TarEntry, path: string): Stat {
  const { mode } = entry;
  const special =
    ((mode & 0o4000) !== 0 ? 0x00800000 : 0) |
    ((mode & 0o2000) !== 0 ? 0x00400000 : 0) |
    ((mode & 0o1000) !== 0 ? 0x00100000 : 0);
  return create(StatSchema, {
    path,
    mode: (goKinds[entry.type] | special | (mode & 0o777)) >>> 0,
    uid: entry.uid,
    gid: entry.gid,
    size: BigInt(entry.type === "file" ? entry.sizeBytes : 0),
    modTime: entry.mtimeNs,
    linkname: utf8(entry.type === "link" ? entry.linkName.replace(/^(\.?\/)+/, "") : entry.linkName),
    devmajor: BigInt(entry.devMajor),
    devminor: BigInt(entry.devMinor),
    xattrs: Object.fromEntries(entry.xattrs.map(([name, value]) => [name, Uint8Array.from(value)])),
  });
}
