import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { renderProgress } from "../render/progress.ts";
import { openFailure } from "../values/env-file.ts";
import { parseShortReference } from "../values/reference.ts";

/** An image without a registry: the static busybox of this machine, its commands as links, and the few files that programs expect. */
export const makeBusybox = command({
  path: "image make-busybox",
  args: "[IMAGE[:TAG]]",
  arity: { min: 0, max: 1 },
  summary: "Make a small image from this machine's busybox, where no registry can be reached",
  flags: {
    busybox: {
      type: "string",
      default: "/bin/busybox",
      help: "The statically linked busybox to put in",
      complete: "file",
    },
  },
  async run({ flags, args: [image = "busybox:latest"], engine, stdout }) {
    const { name, tag = "latest" } = parseShortReference(image);
    const upload = await busyboxTar(flags.busybox);
    const { body } = await engine.stream(
      "ImageCreate",
      { fromSrc: "-", repo: `${name}:${tag}`, message: "busybox of this machine" },
      { upload, query: { changes: ['CMD ["sh"]'] } },
    );
    await renderProgress(body, stdout);
  },
});

/** The program's bytes; refuses one that needs libraries the image will not have. */
async function readStatic(path: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new ExitError(1, `open ${path}: ${openFailure(error)} (Debian's package is busybox-static)`);
  }
  if (!bytes.subarray(0, 4).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46])))
    throw new ExitError(1, `${path} is not a program`);
  if (needsInterpreter(bytes))
    throw new ExitError(1, `${path} is not statically linked (Debian's package is busybox-static)`);
  return bytes;
}

/** Whether an ELF file of 64 bits, little endian, has a PT_INTERP header: it then needs a dynamic linker (elf(5)). */
function needsInterpreter(elf: Buffer): boolean {
  if (elf.length < 64 || elf[4] !== 2 || elf[5] !== 1) return false;
  const start = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  for (let index = 0; index < elf.readUInt16LE(56); index += 1) {
    const at = start + index * size;
    if (at + 4 <= elf.length && elf.readUInt32LE(at) === 3) return true;
  }
  return false;
}

async function applets(path: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(path, ["--list"], { timeout: 10_000 });
  return stdout
    .split("\n")
    .filter((name) => /^[\w[.+-]+$/.test(name) && name !== "busybox")
    .sort();
}

const folders: readonly (readonly [name: string, mode: number])[] = [
  ["bin", 0o755],
  ["dev", 0o755],
  ["etc", 0o755],
  ["home", 0o755],
  ["proc", 0o755],
  ["root", 0o700],
  ["sys", 0o755],
  ["tmp", 0o1777],
  ["usr", 0o755],
  ["usr/bin", 0o755],
  ["usr/sbin", 0o755],
  ["var", 0o755],
  ["var/spool", 0o755],
  ["var/spool/mail", 0o755],
  ["var/www", 0o755],
];
const files: Readonly<Record<string, string>> = {
  "etc/group":
    "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n",
  "etc/nsswitch.conf": "hosts: files dns\n",
  "etc/passwd":
    "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nbin:x:2:2:bin:/bin:/bin/false\nsys:x:3:3:sys:/dev:/bin/false\nmail:x:8:8:mail:/var/spool/mail:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
  "etc/shadow":
    "root:*:::::::\ndaemon:*:::::::\nbin:*:::::::\nsys:*:::::::\nmail:*:::::::\nwww-data:*:::::::\nnobody:*:::::::\n",
};

/** The file system as a tar: the same bytes for the same busybox, so that the layer's digest is the same. */
export async function busyboxTar(path: string): Promise<Readable> {
  const program = await readStatic(path);
  const [names, { pack }] = await Promise.all([applets(path), import("tar-stream")]);
  const tar = pack();
  const mtime = new Date(0);
  for (const [name, mode] of folders) tar.entry({ name: `${name}/`, type: "directory", mode, mtime });
  tar.entry({ name: "bin/busybox", mode: 0o755, mtime }, program);
  for (const name of names)
    tar.entry({ name: `bin/${name}`, type: "symlink", linkname: "busybox", mode: 0o777, mtime });
  for (const [name, text] of Object.entries(files)) tar.entry({ name, mode: 0o644, mtime }, text);
  // env(1) is called by this path from scripts.
  tar.entry({ name: "usr/bin/env", type: "symlink", linkname: "../../bin/busybox", mode: 0o777, mtime });
  tar.finalize();
  // tar-stream's own Readable is streamx's; what is asked of it here is asynchronous iteration.
  return tar as unknown as Readable;
}
