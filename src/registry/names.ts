import { Refusal } from "./refusal.ts";

// OCI distribution-spec 1.1, "Pulling manifests"; each part begins with what the one before cannot hold, so no backtracking
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const maxRepositoryLength = 255; // Docker's clients cut at it, host included

export type DigestAlgorithm = "sha256" | "sha512";
export const digestAlgorithms: readonly DigestAlgorithm[] = ["sha256", "sha512"];

export function checkRepository(name: string): string {
  if (name.length > maxRepositoryLength || !repositoryPattern.test(name))
    throw new Refusal("NAME_INVALID", `invalid repository name ${quote(name)}`, { detail: { name: cut(name) } });
  return name;
}

export function checkDigest(digest: string): string {
  if (!isDigest(digest))
    throw new Refusal("DIGEST_INVALID", `${quote(digest)} is no sha256 or sha512 digest`, {
      detail: { digest: cut(digest) },
    });
  return digest;
}

export const isTag = (text: string): boolean => tagPattern.test(text);
export const isDigest = (text: string): boolean => digestPattern.test(text);
export const algorithmOf = (digest: string): DigestAlgorithm => (digest.startsWith("sha512:") ? "sha512" : "sha256");

/** Hostile names are told in part: an answer is not longer than it must be. */
const cut = (text: string): string => (text.length > 128 ? `${text.slice(0, 128)}...` : text);
const quote = (text: string): string => JSON.stringify(cut(text));
