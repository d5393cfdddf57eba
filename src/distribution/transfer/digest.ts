import { EngineError } from "../../base/errors.ts";

const pattern = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** A digest that can be checked here. */
export const isDigest = (text: string): boolean => pattern.test(text);

/** Throws `invalid` for what cannot be checked, or would lead elsewhere in an address. */
export function checkDigest(digest: string): void {
  if (!isDigest(digest))
    throw new EngineError("invalid", `digest ${JSON.stringify(digest.slice(0, 200))} cannot be checked`);
}

/** A running hash of the algorithm that a digest names. */
export function hasherFor(digest: string): Bun.CryptoHasher {
  return new Bun.CryptoHasher(digest.startsWith("sha512:") ? "sha512" : "sha256");
}

/** The digest of bytes, in the algorithm of `like`, else sha256. */
export function digestOf(bytes: Uint8Array, like?: string): string {
  const algorithm = like?.startsWith("sha512:") === true ? "sha512" : "sha256";
  return `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;
}
