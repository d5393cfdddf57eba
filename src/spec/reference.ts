import { EngineError } from "../base/errors.ts";

/**
 * References to images, as Docker reads them: `[host[:port]/]path[:tag][@digest]`. Facts of the grammar are those of
 * the distribution project; names without a host belong to the default registry, single ones to its `library`.
 */
export interface Reference {
  /** `docker.io`, `localhost:5000` */
  readonly domain: string;
  /** `library/busybox` */
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

export const defaultDomain = "docker.io";
const legacyDomain = "index.docker.io";
const officialPrefix = "library/";

const domainPattern =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?$/;
const pathPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[\w][\w.-]{0,127}$/;
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const idPattern = /^[a-f0-9]{64}$/;

const invalid = (text: string): EngineError => new EngineError("invalid", text);
const badFormat = "invalid reference format";

/** Reads a name as people write it. Throws `invalid` with Docker's texts. */
export function parseReference(text: string): Reference {
  if (idPattern.test(text))
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  let rest = text;
  let digest: string | undefined;
  const at = rest.indexOf("@");
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    if (!digestPattern.test(digest)) throw invalid(badFormat);
    checkDigest(digest);
  }
  const { domain, remainder } = splitDomain(rest);
  const colon = remainder.indexOf(":");
  const path = colon < 0 ? remainder : remainder.slice(0, colon);
  const tag = colon < 0 ? undefined : remainder.slice(colon + 1);
  if (path.toLowerCase() !== path) throw invalid(`${badFormat}: repository name (${path}) must be lowercase`);
  if (path === "" || !pathPattern.test(path) || !domainPattern.test(domain)) throw invalid(badFormat);
  if (tag !== undefined && !tagPattern.test(tag)) throw invalid(badFormat);
  if (domain.length + 1 + path.length > 255) throw invalid("repository name must not be more than 255 characters");
  return { domain, path, tag, digest };
}

/** `library/` and the default host are added where they are left out. */
function splitDomain(name: string): { domain: string; remainder: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isHost = slash >= 0 && (/[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first);
  let domain = isHost ? first : defaultDomain;
  let remainder = isHost ? name.slice(slash + 1) : name;
  if (domain === legacyDomain) domain = defaultDomain;
  if (domain === defaultDomain && !remainder.includes("/")) remainder = officialPrefix + remainder;
  return { domain, remainder };
}

function checkDigest(digest: string): void {
  const [algorithm = "", hex = ""] = digest.split(":");
  const length = { sha256: 64, sha384: 96, sha512: 128 }[algorithm];
  if (length === undefined) throw invalid("unsupported digest algorithm");
  if (hex.length !== length) throw invalid("invalid checksum digest length");
  if (hex !== hex.toLowerCase()) throw invalid("invalid checksum digest format");
}

/** The name as people write it: without the default host and `library/`. */
export function familiarName(reference: Pick<Reference, "domain" | "path">): string {
  if (reference.domain !== defaultDomain) return `${reference.domain}/${reference.path}`;
  const short = reference.path.slice(officialPrefix.length);
  return reference.path.startsWith(officialPrefix) && !short.includes("/") ? short : reference.path;
}

/** The whole reference as people write it. */
export function familiarReference(reference: Reference): string {
  return `${familiarName(reference)}${reference.tag === undefined ? "" : `:${reference.tag}`}${reference.digest === undefined ? "" : `@${reference.digest}`}`;
}

/** With `latest` where neither tag nor digest is given. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: "latest" } : reference;
}

/** Checks a tag alone. Docker's text. */
export function checkTag(tag: string): void {
  if (!tagPattern.test(tag)) throw invalid("invalid tag format");
}
