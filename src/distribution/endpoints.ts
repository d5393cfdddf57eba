import { createHash } from "node:crypto";
import { defaultDomain, type Reference } from "../spec/reference.ts";
import type { Credentials } from "./registries.ts";
import { Server } from "./server.ts";
import type { RegistrySettings } from "./settings.ts";
import type { Transport } from "./http/transport.ts";

/** A place that has, or may have, a repository. */
export interface Endpoint {
  readonly server: Server;
  /** The repository's name there. */
  readonly path: string;
  readonly isMirror: boolean;
}

const hubHost = "registry-1.docker.io";
const maxServers = 256;

/** Servers by address and user, so that what was learned of them serves all who ask. */
export class Endpoints {
  readonly #settings: RegistrySettings;
  readonly #transport: Transport;
  readonly #servers = new Map<string, Server>();

  constructor(settings: RegistrySettings, transport: Transport) {
    this.#settings = settings;
    this.#transport = transport;
  }

  /** The registry itself. */
  async registry(domain: string, credentials: Credentials = {}): Promise<Server> {
    const host = domain === defaultDomain ? hubHost : domain;
    const plain = await this.#transport.insecure(host);
    return this.#server(plain ? [`https://${host}`, `http://${host}`] : [`https://${host}`], credentials);
  }

  /**
   * Mirrors of a repository, in the order they are written. They are asked without credentials: those are the
   * registry's alone.
   */
  mirrors({ domain, path }: Pick<Reference, "domain" | "path">): Endpoint[] {
    const hub = domain === defaultDomain ? this.#settings.hubMirrors : [];
    return [
      ...this.#byPrefix(domain, path),
      ...hub.map((address) => ({ server: this.#server([address]), path, isMirror: true })),
    ];
  }

  /** The longest prefix wins, as a router's; `*` is for what no other matches. */
  #byPrefix(domain: string, path: string): Endpoint[] {
    const name = `${domain}/${path}`;
    const matching = Object.keys(this.#settings.mirrors)
      .filter((prefix) => prefix === "*" || name === prefix || name.startsWith(`${prefix}/`))
      .sort((a, b) => (b === "*" ? 0 : b.length) - (a === "*" ? 0 : a.length));
    const [prefix] = matching;
    if (prefix === undefined) return [];
    const rest = prefix === "*" ? path : name.slice(prefix.length + 1);
    // the registry itself is asked last anyway, with its credentials
    const others = (this.#settings.mirrors[prefix] ?? []).filter((address) => new URL(address).host !== domain);
    return others.map((address) => {
      const url = new URL(address);
      const there = [...url.pathname.split("/"), ...rest.split("/")].filter((part) => part !== "").join("/");
      return { server: this.#server([url.origin]), path: there, isMirror: true };
    });
  }

  /** Without credentials it is a mirror. */
  #server(bases: readonly string[], credentials?: Credentials): Server {
    const key = createHash("sha256")
      .update(JSON.stringify([bases, credentials ?? null]))
      .digest("base64");
    const known = this.#servers.get(key);
    if (known) {
      this.#servers.delete(key);
      this.#servers.set(key, known);
      return known;
    }
    if (this.#servers.size >= maxServers) this.#servers.delete(this.#servers.keys().next().value ?? "");
    const server = new Server({
      transport: this.#transport,
      bases,
      credentials: credentials ?? {},
      isMirror: credentials === undefined,
    });
    this.#servers.set(key, server);
    return server;
  }
}
