import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError, errorMessage } from "../base/errors.ts";
import { KeyedLock } from "../base/keyed-lock.ts";
import type { Logger } from "../base/log.ts";
import { migrate } from "../store/migrate.ts";
import { openStore, type Store } from "../store/open.ts";
import { Access } from "./auth/access.ts";
import { authMigrations } from "./auth/auth.sql.ts";
import { TokenSigner } from "./auth/token-signer.ts";
import { Users } from "./auth/users.ts";
import { registryMigrations } from "./books/registry.sql.ts";
import { PullThrough } from "./cache/pull-through.ts";
import { Remotes } from "./cache/remotes.ts";
import type { Core } from "./core.ts";
import { AuditLog } from "./events/audit.ts";
import { webhookMigrations, Webhooks } from "./events/webhooks.ts";
import { Collector } from "./gc/collector.ts";
import { listen, listenLocally } from "./http/server.ts";
import { makeMetrics } from "./metrics.ts";
import type { RegistryOptions } from "./options.ts";
import { Immutability } from "./policy/immutability.ts";
import { LastPulls } from "./policy/last-pulls.ts";
import { policyMigrations } from "./policy/policy.sql.ts";
import { Quotas } from "./policy/quotas.ts";
import type { Services } from "./services.ts";
import { openDriver } from "./storage/drivers.ts";
import { Uploads } from "./uploads/uploads.ts";

/** The issuer and audience of tokens, and what clients are told the service is. */
const serviceName = "berth-registry";

/** A registry that serves. Disposal lets requests end, then closes everything. */
export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:5000`; undefined without a listener. */
  readonly address: string | undefined;
  /** The local socket, through which root administers. */
  readonly socket: string;
  readonly services: Services;
}

/** Opens a registry's root and serves it. Throws `conflict` when another process does, `invalid`, `unavailable`. */
export async function openRegistry(options: RegistryOptions, log: Logger): Promise<Registry> {
  await using undo = new AsyncDisposableStack();
  const { root } = options;
  await mkdir(root, { recursive: true, mode: 0o700 });
  const store = undo.use(openBooks(root));
  const driver = undo.use(await openDriver(options.storage, join(root, "blobs")));
  const users = new Users(options.htpasswd ?? join(root, "htpasswd"), { db: store.db, log });
  await users.refresh();
  const signer = await TokenSigner.open(join(root, "token-key.json"), serviceName);
  const audit = undo.use(new AuditLog(join(root, "audit.log"), options.audit, log));
  const access = new Access({
    loginFailed: (name, address) => audit.loginFailed(name, address),
    db: store.db,
    users,
    signer,
    anonymous: options.anonymous,
    loggedIn: options.users,
    service: serviceName,
    realm: options.externalUrl === undefined ? undefined : `${options.externalUrl.replace(/\/$/, "")}/token`,
    secure: options.tls !== undefined,
  });
  const webhooks = undo.use(new Webhooks(store.db, options.webhooks, log));
  const metrics = makeMetrics(() => ({ uploads: uploads.count, ...totals(store), webhooks: webhooks.waiting }));
  const core: Core = {
    db: store.db,
    driver,
    locks: new KeyedLock(),
    log,
    tell(happening) {
      try {
        metrics.happened(happening.action, happening.target?.sizeBytes ?? 0);
        audit.write(happening);
        webhooks.tell(happening);
      } catch (error) {
        log.error("what happened could not be told", { action: happening.action, error: errorMessage(error) });
      }
    },
  };
  const quotas = new Quotas(store.db);
  const immutability = new Immutability(store.db);
  const admit = quotas.admit.bind(quotas);
  const uploads: Uploads = undo.use(await Uploads.at(core, join(root, "uploads"), { admit }));
  const collected = metrics.collected.bind(metrics);
  const services: Services = {
    core,
    uploads,
    access,
    users,
    tokens: { db: store.db, access, users, signer },
    metrics,
    admit,
    manifestRules: {
      missingChildren: options.missingChildren,
      checkTag: (repository, tag) => immutability.check(repository, tag),
      admit,
    },
    graceMs: options.collection.graceMs,
    quotas,
    immutability,
    webhooks,
    cache:
      options.remotes.length === 0
        ? undefined
        : undo.use(new PullThrough(core, new Remotes(options.remotes), join(root, "uploads"))),
    lastPulls: undo.use(new LastPulls(store.db)),
    collector: undo.use(new Collector(core, uploads, { ...options.collection, collected })),
  };
  const socket = join(root, "admin.sock");
  undo.use(listenLocally(services, socket));
  const listener =
    options.listen === undefined
      ? undefined
      : undo.use(listen(services, { ...options.listen, ...(await readTls(options.tls)) }));
  webhooks.start(listener?.address ?? "");
  const all = undo.move();
  return {
    address: listener?.address,
    socket,
    services,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** One process per root: the database file is locked for as long as it is open. */
function openBooks(root: string): Store {
  const path = join(root, "registry.db");
  try {
    const store = openStore(path);
    store.db.run("PRAGMA locking_mode = EXCLUSIVE");
    store.db.run("BEGIN IMMEDIATE");
    store.db.run("COMMIT");
    migrate(store.db, [...registryMigrations, ...authMigrations, ...policyMigrations, ...webhookMigrations]);
    return store;
  } catch (cause) {
    if (!/locked|busy/i.test(errorMessage(cause))) throw cause;
    throw new EngineError("conflict", `another registry uses ${root}: stop it, or give another --root`, {}, { cause });
  }
}

function totals({ db }: Store): { blobs: number; blobBytes: number } {
  const row = db
    .query<{ n: number; bytes: number | null }, []>("SELECT count(*) AS n, sum(size) AS bytes FROM blobs")
    .get();
  return { blobs: row?.n ?? 0, blobBytes: row?.bytes ?? 0 };
}

async function readTls(tls: RegistryOptions["tls"]) {
  if (tls === undefined) return {};
  const [cert, key] = await Promise.all([readFile(tls.certFile, "utf8"), readFile(tls.keyFile, "utf8")]);
  const clientCa = tls.clientCaFile === undefined ? undefined : await readFile(tls.clientCaFile, "utf8");
  return { tls: { cert, key, ...(clientCa !== undefined && { clientCa }) } };
}
