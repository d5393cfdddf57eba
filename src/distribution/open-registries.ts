import { Endpoints } from "./endpoints.ts";
import { Gate } from "./transfer/gate.ts";
import { login } from "./auth/login.ts";
import type { Registries } from "./registries.ts";
import { openRepository } from "./repository.ts";
import { search } from "./search.ts";
import type { RegistrySettings } from "./settings.ts";
import { Transport } from "./http/transport.ts";

/** The registries as the daemon is set; `reload` takes new settings for what begins after it. */
export interface OpenRegistries extends Registries {
  reload(settings: RegistrySettings): void;
}

/** Connects to nothing yet. */
export function openRegistries(initial: RegistrySettings): OpenRegistries {
  let settings = initial;
  let transport = new Transport(settings);
  let endpoints = new Endpoints(settings, transport);
  const downloads = new Gate(settings.maxDownloads);
  const uploads = new Gate(settings.maxUploads);
  return {
    repository(name, { credentials } = {}) {
      const current = endpoints;
      return openRepository({
        name,
        origin: async () => ({
          server: await current.registry(name.domain, credentials),
          path: name.path,
          isMirror: false,
        }),
        mirrors: current.mirrors(name),
        policy: { attempts: settings.attempts, firstDelayMs: settings.retryDelayMs },
        downloads,
        uploads,
      });
    },
    get proxies() {
      return settings.proxies;
    },
    login: (address, credentials, options = {}) => login({ endpoints, transport }, address, credentials, options),
    search: (term, options) =>
      search({ endpoints, policy: { attempts: 2, firstDelayMs: settings.retryDelayMs } }, term, options),
    reload(next) {
      settings = next;
      transport = new Transport(settings);
      endpoints = new Endpoints(settings, transport);
      downloads.width = settings.maxDownloads;
      uploads.width = settings.maxUploads;
    },
  };
}
