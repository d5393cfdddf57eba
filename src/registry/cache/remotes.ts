import { openRegistries } from "../../distribution/open-registries.ts";
import type { Registries, Repository } from "../../distribution/registries.ts";
import { defaultRegistrySettings } from "../../distribution/settings.ts";
import type { RemoteOptions } from "../options.ts";

/** A repository of an upstream registry, and how long it need not be asked again. */
export interface Upstream {
  readonly repository: Repository;
  readonly freshMs: number;
  /** `docker.io/library/busybox` */
  readonly name: string;
}

/** Which repositories of ours are those of another registry. */
export class Remotes {
  readonly #remotes: readonly RemoteOptions[];
  readonly #registries: Registries;

  constructor(remotes: readonly RemoteOptions[]) {
    // the longest prefix wins
    this.#remotes = [...remotes].sort((a, b) => b.prefix.length - a.prefix.length);
    this.#registries = openRegistries({
      ...defaultRegistrySettings,
      insecure: remotes.filter(({ insecure }) => insecure).map(({ upstream }) => upstream),
      proxies: {
        http: process.env["HTTP_PROXY"] ?? process.env["http_proxy"] ?? "",
        https: process.env["HTTPS_PROXY"] ?? process.env["https_proxy"] ?? "",
        no: process.env["NO_PROXY"] ?? process.env["no_proxy"] ?? "",
      },
      maxDownloads: 8, // clients wait for these
      attempts: 2, // a client that waits asks again itself, and what we have can be served
      stallMs: 15_000,
    });
  }

  covers(repository: string): boolean {
    return this.#remotes.some(({ prefix }) => isBelow(prefix, repository));
  }

  /** undefined for a repository of our own. */
  upstream(repository: string): Upstream | undefined {
    const remote = this.#remotes.find(({ prefix }) => isBelow(prefix, repository));
    if (remote === undefined) return undefined;
    const rest = repository.slice(remote.prefix.length);
    const path = remote.upstream === "docker.io" && !rest.includes("/") ? `library/${rest}` : rest;
    const { username, password } = remote;
    return {
      name: `${remote.upstream}/${path}`,
      freshMs: remote.freshMs,
      repository: this.#registries.repository(
        { domain: remote.upstream, path },
        username === undefined ? {} : { credentials: { username, password: password ?? "" } },
      ),
    };
  }
}

const isBelow = (prefix: string, repository: string): boolean =>
  repository.startsWith(prefix) && repository.length > prefix.length;
