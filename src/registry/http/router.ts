import { checkRepository } from "../names.ts";
import { Refusal } from "../refusal.ts";

/** What a request is about. Names of repositories are checked; references and digests are not yet. */
export type Target =
  | { readonly kind: "base" | "catalog" | "token" | "metrics" | "health" }
  | { readonly kind: "admin"; readonly path: readonly string[] }
  | { readonly kind: "manifest"; readonly repository: string; readonly reference: string }
  | { readonly kind: "blob"; readonly repository: string; readonly digest: string }
  | { readonly kind: "uploads"; readonly repository: string }
  | { readonly kind: "upload"; readonly repository: string; readonly id: string }
  | { readonly kind: "tags"; readonly repository: string }
  | { readonly kind: "referrers"; readonly repository: string; readonly digest: string };

/**
 * Reads the path of a request; undefined for one that means nothing here. Read from its end, as a repository may be
 * called `a/manifests/b`. Throws NAME_INVALID.
 */
export function route(path: string): Target | undefined {
  if (path === "/v2/" || path === "/v2") return { kind: "base" };
  if (path === "/v2/_catalog") return { kind: "catalog" };
  if (path === "/token") return { kind: "token" };
  if (path === "/metrics") return { kind: "metrics" };
  if (path === "/healthz") return { kind: "health" };
  const parts = path.split("/").map(decode);
  if (path.startsWith("/berth/v1/")) return { kind: "admin", path: parts.slice(3) };
  if (!path.startsWith("/v2/")) return undefined;
  return repositoryTarget(parts.slice(2));
}

function repositoryTarget(parts: readonly string[]): Target | undefined {
  const name = (dropped: number): string => checkRepository(parts.slice(0, parts.length - dropped).join("/"));
  const last = parts.at(-1) ?? "";
  const second = parts.at(-2);
  const third = parts.at(-3);
  if (third === "blobs" && second === "uploads")
    return last === "" ? { kind: "uploads", repository: name(3) } : { kind: "upload", repository: name(3), id: last };
  if (second === "blobs" && last === "uploads") return { kind: "uploads", repository: name(2) };
  if (second === "manifests") return { kind: "manifest", repository: name(2), reference: last };
  if (second === "blobs") return { kind: "blob", repository: name(2), digest: last };
  if (second === "tags" && last === "list") return { kind: "tags", repository: name(2) };
  if (second === "referrers") return { kind: "referrers", repository: name(2), digest: last };
  return undefined;
}

/** A part that hides a slash or cannot be decoded is no part of any name. */
function decode(part: string): string {
  if (!part.includes("%")) return part;
  try {
    const plain = decodeURIComponent(part);
    if (!plain.includes("/")) return plain;
  } catch {
    // told below
  }
  throw new Refusal("NAME_INVALID", "the path of the request cannot be decoded");
}
