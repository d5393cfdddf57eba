import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError, errorMessage } from "../../base/errors.ts";

/** TLS material for one server, as PEM. */
export interface ServerTls {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized: boolean;
}

// Go's list, crypto/x509 root_linux.go: dockerd trusts what these hold
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** The machine's authorities; empty where it has none: those built into Bun count then. */
export function systemAuthorities(file: string | undefined): string[] {
  for (const path of file ? [file] : bundles) {
    const text = readIfThere(path);
    if (text !== undefined) return [text];
  }
  return [];
}

/**
 * What `certs.d` holds for a host (`name:port`): authorities (`*.crt`) beside the machine's, and a client certificate
 * (`x.cert` with `x.key`). Throws Docker's texts for halves and for a certificate that has the wrong ending.
 */
export function readServerTls(
  host: string,
  options: { folders: readonly string[]; authorities: readonly string[]; verify: boolean },
): ServerTls {
  const extra: string[] = [];
  let pair: { cert: string; key: string } | undefined;
  // a URL does not show the port that is its protocol's own, the folder's name may
  const hosts = /:\d+$/.test(host) ? [host] : [host, `${host}:443`];
  for (const folder of options.folders.flatMap((root) => hosts.map((name) => join(root, name)))) {
    const names = namesIn(folder);
    for (const name of names) {
      if (name.endsWith(".crt")) extra.push(readCertificates(join(folder, name)));
      if (name.endsWith(".cert")) pair ??= readPair(folder, name, names);
      if (name.endsWith(".key") && !names.includes(name.replace(/\.key$/, ".cert"))) throw halfPair(name, ".cert");
    }
  }
  const ca = extra.length > 0 ? [...options.authorities, ...extra] : [...options.authorities];
  return { rejectUnauthorized: options.verify, ...(ca.length > 0 && { ca }), ...pair };
}

function readPair(folder: string, name: string, names: readonly string[]): { cert: string; key: string } {
  const key = name.replace(/\.cert$/, ".key");
  if (!names.includes(key)) throw halfPair(name, ".key");
  const cert = readCertificates(join(folder, name));
  const pair = { cert, key: readPem(join(folder, key)) };
  let fits: boolean;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(pair.key));
  } catch (error) {
    throw new EngineError("invalid", `${join(folder, key)} is no private key: ${errorMessage(error)}`);
  }
  if (!fits) throw new EngineError("invalid", `${join(folder, key)} is not the key of the certificate ${name}`);
  return pair;
}

/** Looked at here: Bun says of a certificate that it cannot read only that no connection could be made. */
function readCertificates(path: string): string {
  const text = readPem(path);
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new EngineError("invalid", `${path} holds no certificate`);
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch (error) {
    throw new EngineError("invalid", `${path} holds a certificate that cannot be read: ${errorMessage(error)}`);
  }
  return text;
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new EngineError("invalid", `cannot read ${path}: ${errorMessage(error)}`);
  }
}

function halfPair(name: string, other: string): EngineError {
  const missing = name.replace(/\.[^.]+$/, other);
  return new EngineError(
    "invalid",
    other === ".key"
      ? `missing key ${missing} for client certificate ${name}. CA certificates must use the extension .crt`
      : `missing client certificate ${missing} for key ${name}`,
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw new EngineError("internal", `cannot read ${folder}: ${String(code)}`, {}, { cause: error });
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // the next place
  }
}
