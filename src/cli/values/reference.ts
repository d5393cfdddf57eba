import { EngineError } from "../../base/errors.ts";

/** A reference of the command line in its short form: `busybox`, not `docker.io/library/busybox`. */
export interface ShortReference {
  /** `busybox`, `someone/app`, `host:5000/app`. */
  readonly name: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const path = new RegExp(`^${component}(?:/${component})*$`);
const host =
  /^(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])(?:\.(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]))*(?::[0-9]+)?$|^\[[0-9a-fA-F:]+\](?::[0-9]+)?$/;
const digestForm = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;

/** distribution/reference ParseNormalizedNamed and FamiliarName in one; throws its texts. */
export function parseShortReference(text: string): ShortReference {
  const invalid = (message: string): EngineError => new EngineError("invalid", message, { reference: text });
  if (/^[a-f0-9]{64}$/.test(text))
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  const tagged = colon > named.lastIndexOf("/") && colon >= 0;
  const tag = tagged ? named.slice(colon + 1) : undefined;
  const { domain, remote } = splitDomain(tagged ? named.slice(0, colon) : named);
  if (remote !== remote.toLowerCase())
    throw invalid(`invalid reference format: repository name (${remote}) must be lowercase`);
  const wellFormed =
    path.test(remote) &&
    host.test(domain) &&
    (tag === undefined || /^\w[\w.-]{0,127}$/.test(tag)) &&
    (digest === undefined || digestForm.test(digest));
  if (!wellFormed) throw invalid("invalid reference format");
  const short =
    domain !== "docker.io"
      ? `${domain}/${remote}`
      : remote.startsWith("library/") && !remote.slice(8).includes("/")
        ? remote.slice(8)
        : remote;
  return { name: short, tag, digest };
}

function splitDomain(name: string): { domain: string; remote: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isHost = slash >= 0 && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  const domain = !isHost || first === "index.docker.io" ? "docker.io" : first;
  const remote = isHost ? name.slice(slash + 1) : name;
  return { domain, remote: domain === "docker.io" && !remote.includes("/") ? `library/${remote}` : remote };
}
