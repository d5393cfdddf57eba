const block = 512;

/**
 * Whether a plain archive begins as an App Container Image does: appc specification 0.8, "Image Layout". `first` is its
 * beginning; the first member that says anything decides.
 */
export function isAci(first: Uint8Array): boolean {
  for (let at = 0; at + block <= first.length;) {
    const header = Buffer.from(first.buffer, first.byteOffset + at, block);
    if (header.every((byte) => byte === 0)) return false;
    const name = text(header, 0, 100).replace(/^(\.?\/)+/, "");
    const type = String.fromCharCode(header[156] ?? 0);
    const sizeBytes = Number.parseInt(text(header, 124, 12).trim(), 8);
    // headers about the next member, and the folder itself, say nothing
    const isSilent = "xgLK".includes(type) || name === "" || name === ".";
    if (!isSilent) return name === "manifest" || name === "rootfs" || name.startsWith("rootfs/");
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return false;
    at += block + Math.ceil(sizeBytes / block) * block;
  }
  return false;
}

const text = (header: Buffer, start: number, length: number): string => {
  const end = header.indexOf(0, start);
  return header.toString("latin1", start, end < 0 || end > start + length ? start + length : end);
};
