import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { EngineError } from "../../base/errors.ts";

// mount(8) and mount(2): option words that are flags. `clear` takes the flag away again.
const flagWords: Record<string, { readonly flag: number; readonly clear?: true }> = {
  defaults: { flag: 0 },
  ro: { flag: 1 },
  rw: { flag: 1, clear: true },
  nosuid: { flag: 2 },
  suid: { flag: 2, clear: true },
  nodev: { flag: 4 },
  dev: { flag: 4, clear: true },
  noexec: { flag: 8 },
  exec: { flag: 8, clear: true },
  sync: { flag: 16 },
  async: { flag: 16, clear: true },
  mand: { flag: 64 },
  nomand: { flag: 64, clear: true },
  dirsync: { flag: 128 },
  noatime: { flag: 1024 },
  atime: { flag: 1024, clear: true },
  nodiratime: { flag: 2048 },
  diratime: { flag: 2048, clear: true },
  bind: { flag: 4096 },
  rbind: { flag: 4096 | 16384 },
  relatime: { flag: 1 << 21 },
  norelatime: { flag: 1 << 21, clear: true },
  strictatime: { flag: 1 << 24 },
  nostrictatime: { flag: 1 << 24, clear: true },
};

/** Splits `o` of a volume into mount(2)'s flags and the file system's own options. */
export function splitMountOptions(text: string): { flags: number; data: string } {
  let flags = 0;
  const data: string[] = [];
  for (const word of text.split(",").filter((part) => part !== "")) {
    const known = Object.hasOwn(flagWords, word) ? flagWords[word] : undefined;
    if (known === undefined) data.push(word);
    else flags = known.clear ? flags & ~known.flag : flags | known.flag;
  }
  return { flags, data: data.join(",") };
}

/** The kernel's NFS and CIFS want an address where users write a name: `addr=server`. */
export async function resolveAddress(type: string, data: string): Promise<string> {
  if (!/^(nfs4?|cifs)$/.test(type)) return data;
  const name = /(?:^|,)addr=([^,]*)/.exec(data)?.[1];
  if (name === undefined || name === "" || isIP(name) !== 0) return data;
  try {
    const { address } = await lookup(name);
    return data.replace(`addr=${name}`, `addr=${address}`);
  } catch (cause) {
    throw new EngineError(
      "invalid",
      `error resolving passed in network volume address: lookup ${name}: no such host`,
      { name },
      { cause },
    );
  }
}
