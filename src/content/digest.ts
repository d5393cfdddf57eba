import { EngineError } from "../base/errors.ts";

export type DigestAlgorithm = "sha256" | "sha512";

const pattern = /^(?:(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128}))$/;

/** Algorithm and hex of a digest; nothing else is ever part of a path. Throws `invalid`. */
export function parseDigest(digest: string): { algorithm: DigestAlgorithm; hex: string } {
  const match = pattern.exec(digest);
  const hex = match?.[2] ?? match?.[4];
  if (hex === undefined) throw new EngineError("invalid", `invalid digest ${JSON.stringify(digest)}`, { digest });
  return { algorithm: match?.[1] === undefined ? "sha512" : "sha256", hex };
}
