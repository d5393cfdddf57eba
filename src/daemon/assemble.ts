import { chmodSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ApiServer, serveApi } from "../api/server.ts";
import { buildInfo } from "../base/build-info.ts";
import { nowNs } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { buildMigrations } from "../build/cache/build-cache.sql.ts";
import { cachedLayers, openBuilder } from "../build/open-builder.ts";
import type { Buildkit } from "../buildkit/face.ts";
import { containerMigrations } from "../containers/books/container.sql.ts";
import { readCreateHost } from "../containers/create/read-host.ts";
import { packFrom } from "../containers/archive/read.ts";
import { unpack } from "../containers/archive/write.ts";
import { openContainers } from "../containers/open.ts";
import { isLive } from "../containers/books/state.ts";
import { ContentStore } from "../content/store.ts";
import { openRegistries } from "../distribution/open-registries.ts";
import { openEventLog } from "../events/event-log.ts";
import type { EventSink } from "../events/bus.ts";
import { startImageGc } from "./image-gc.ts";
import { imageMigrations } from "../images/books/image.sql.ts";
import { openImages } from "../images/open.ts";
import { peerCredentials, peerGone, raiseBacklog } from "../kernel/peer.ts";
import { logDrivers } from "../logs/drivers.ts";
import { hostMemoryBytes } from "../metrics/host.ts";
import { connectMonitor } from "../monitor/client.ts";
import { networkMigrations } from "../networks/network.sql.ts";
import { openNetworks } from "../networks/open-networks.ts";
import { SeccompCache } from "../security/seccomp/cache.ts";
import { defaultApplyLimits, openSnapshotter } from "../snapshots/open.ts";
import { migrate } from "../store/migrate.ts";
import { openStore } from "../store/open.ts";
import { openDrivers } from "../volumes/drivers.ts";
import { dockerPluginFolders } from "../volumes/plugin/find.ts";
import { defaultDeadlines } from "../volumes/plugin/plugin.ts";
import { folderSize } from "../volumes/folder-size.ts";
import { openVolumes } from "../volumes/volumes.ts";
import type { Config } from "./config-table.ts";
import { bridgeGateways, createDefaults, logDriver, readSeccompProfile } from "./create-defaults.ts";
import { listeners } from "./listeners.ts";
import { startRegistry } from "./registry.ts";
import { proxiesInForce, registrySettings, takeProxies } from "./registry-settings.ts";
import { selfCommand } from "./self-command.ts";
import { stepRunner } from "./step-runner.ts";
import { findRuntimes } from "./runtimes.ts";
import { engineId, findInit, systemInfo } from "./system.ts";

/** A daemon that answers. */
export interface Engine {
  readonly id: string;
  readonly addresses: readonly string[];
  readonly events: EventSink;
  /** Takes reloaded settings. */
  reload(config: Config): Promise<void>;
  /** Ends the API and everything of this process. Containers and the monitor go on. */
  close(): Promise<void>;
}

/** Makes every feature and ties them together: the only caller of their constructors. */
export async function assemble(initial: Config, logger: Logger): Promise<Engine> {
  await using undo = new AsyncDisposableStack();
  const startedAtNs = nowNs();
  let config = initial;
  const [dataRoot, execRoot] = [config["data-root"], config["exec-root"]];
  const host = readCreateHost();
  const seccompProfile = readSeccompProfile(config["seccomp-profile"]);
  const log = logger.log.bind(logger);
  const environment = takeProxies(process.env);

  const store = undo.use(openStore(join(dataRoot, "state.db")));
  const eventStore = undo.use(openStore(join(dataRoot, "events.db"), "normal"));
  const events = undo.use(
    openEventLog({
      db: eventStore.db,
      unclean: eventStore.unclean,
      failed: (error) => logger.error("event not kept or not delivered", { error: errorMessage(error) }),
    }),
  );
  if (store.unclean) logger.info("the last daemon did not end in order: its state is compared with the kernel");
  for (const migrations of [containerMigrations, imageMigrations, buildMigrations, networkMigrations])
    migrate(store.db, migrations);

  const findAll = (): ReturnType<typeof findRuntimes> =>
    findRuntimes(config, execRoot, (message, fields) => logger.warn(message, fields));
  const seccompCache = new SeccompCache(join(dataRoot, "seccomp"));
  // what does not need one another starts at the same time
  const monitorStarting = connectMonitor({
    execRoot,
    spawn: () => [...selfCommand(), "monitor", "--exec-root", execRoot],
    keeper: () => [...selfCommand(), "keeper", "--exec-root", execRoot],
    log,
  });
  monitorStarting.catch(() => {}); // looked at below
  undo.defer(() => monitorStarting.then((monitor) => monitor.close()).catch(() => {})); // one that never came needs no end
  const [id, foundRuntimes, drivers, snapshotter, networks] = await Promise.all([
    engineId(dataRoot),
    findAll(),
    Promise.all(Object.entries(logDrivers).map(async ([name, load]) => [name, await load()] as const)),
    openSnapshotter({ dataRoot, limits: { ...defaultApplyLimits, maxBytes: config["max-layer-size"] } }),
    openNetworks({
      db: store.db,
      execRoot,
      events,
      config: {
        bip: config.bip || undefined,
        fixedCidr: config["fixed-cidr"] || undefined,
        mtu: config.mtu,
        bindAddress: config.ip,
        icc: config.icc,
        masquerade: config["ip-masq"],
        defaultOptions: config["default-network-opt"],
        defaultAddressPools: config["default-address-pool"].length > 0 ? config["default-address-pool"] : undefined,
      },
      resolverCommand: () => [...selfCommand(), "dns", "--exec-root", execRoot],
      log: (text) => logger.warn(text),
    }),
    seccompCache.load(),
  ]);
  undo.defer(() => networks.shutdown());
  let runtimes = foundRuntimes;
  if (runtimes.reason !== "") logger.warn(runtimes.reason);
  const byDriver = new Map(drivers);
  logDriver(byDriver, config["log-driver"]).validate(config["log-opt"]);

  const registries = openRegistries(registrySettings(config, environment));
  const content = new ContentStore({ root: join(dataRoot, "content") });
  const images = await openImages({
    ...{ db: store.db, content, snapshotter, events, registries },
    workFolder: join(dataRoot, "work"),
    neededLayers: cachedLayers(store.db),
    settings: {
      layerBlobs: () => (config["layer-blobs"] === "drop" ? "drop" : "keep"),
      compression: () => (config["layer-compression"] === "zstd" ? "zstd" : "gzip"),
      parallelDownloads: () => config["max-concurrent-downloads"],
    },
  });
  const volumes = openVolumes({
    db: store.db,
    dataRoot,
    events,
    drivers: openDrivers({
      folders: { ...dockerPluginFolders, sockets: [join(execRoot, "plugins"), ...dockerPluginFolders.sockets] },
      deadlines: defaultDeadlines,
      forbidden: [dataRoot, execRoot],
    }),
    archives: {
      // a copy of a container leaves access lists out, as docker does; an archive of a volume has them
      pack: (folderFd) => packFrom(folderFd, ["."], ["--xattrs-include=system.posix_acl_*"]),
      unpack: (folder, tar, signal) =>
        unpack({ root: folder, folder: "/", noOverwriteDirNonDir: false, owner: undefined }, tar, signal),
    },
    followRename: (from, volume) => containers.followVolume(from, volume),
    log,
  });
  undo.defer(() => volumes.close());
  const monitor = await monitorStarting;
  const initPath = findInit(config["init-path"]);
  const containers = openContainers({
    db: store.db,
    images,
    snapshotter,
    networks,
    volumes,
    monitor,
    events,
    runtimes: { get: (name) => runtimes.get(name) },
    seccompCache,
    logDriver: async (name) => logDriver(byDriver, name),
    settings: {
      dataRoot,
      execRoot,
      initPath,
      hostMemoryBytes,
      cgroupVersion: host.cgroupVersion,
      defaults: () => createDefaults({ config, host, runtimes, networks, logDrivers: byDriver, seccompProfile }),
      log,
    },
  });
  undo.defer(() => containers.close());
  await containers.restore();
  const rows = containers.list();
  await volumes.reconcile({
    known: new Set(rows.map((row) => row.id)),
    running: new Set(rows.filter(({ state }) => isLive(state)).map((row) => row.id)),
  });

  const builder = await openBuilder({
    db: store.db,
    dataRoot,
    execRoot,
    images,
    snapshotter,
    registries,
    runner: stepRunner(containers),
    folderBytes: folderSize,
    settings: () => ({
      maxParallelism: config["build-parallelism"],
      cacheMaxBytes: config["build-cache-max-bytes"],
      cacheMaxAgeMs: config["build-cache-max-age"] * 1000,
    }),
    log,
  });
  undo.defer(() => builder.close());

  const system = systemInfo({
    config: () => config,
    proxies: () => proxiesInForce(config, environment),
    id,
    host,
    runtimes: () => runtimes,
    storageDriver: snapshotter.name,
    initPath,
    startedAtNs,
    eventListeners: () => events.listeners,
  });
  let openedBuildkit: Promise<Buildkit> | undefined;
  const buildkit = (): Promise<Buildkit> => {
    // its libraries take a while to load: only who is spoken to by buildx needs them
    openedBuildkit ??= import("../buildkit/open.ts").then(({ openBuildkit }) =>
      openBuildkit({
        builder,
        workRoot: join(execRoot, "buildkit"),
        spoolRoot: join(dataRoot, "build", "spool"),
        version: buildInfo.version,
        hostGatewayIp: () => bridgeGateways(networks)[0] ?? "",
      }),
    );
    return openedBuildkit;
  };
  undo.defer(async () => (await openedBuildkit)?.[Symbol.dispose]());
  await startRegistry(config, { logger, undo });
  const api: ApiServer = await serveApi({
    deps: {
      containers,
      builder,
      images,
      networks,
      volumes,
      registries,
      events,
      system,
      buildkit,
      snapshotPaths: (containerId) => snapshotter.paths(containerId),
      peer: { credentials: peerCredentials, gone: peerGone, raiseBacklog },
    },
    listeners: await listeners(config, (message) => logger.warn(message)),
    log,
  });
  undo.defer(() => api.close());
  undo.use(startImageGc({ images, containers, events, dataRoot, logger, setting: () => config["image-gc"] }));
  // behind the answers: what is missing may have to come over the network
  const healing = new AbortController();
  const healed = images.heal((text) => logger.warn(text), healing.signal);
  undo.defer(async () => {
    healing.abort();
    await healed;
  });
  const running = undo.move();
  return {
    id,
    addresses: api.addresses,
    events,
    async reload(next) {
      config = next;
      registries.reload(registrySettings(config, environment));
      runtimes = await findAll();
    },
    close: () => running.disposeAsync(),
  };
}

/** The folders of an engine. The data is root's alone (CVE-2021-41091); sockets may lie in the exec root. */
export function makeRoots(config: Config): void {
  const dataRoot = config["data-root"];
  mkdirSync(dataRoot, { recursive: true, mode: 0o710 });
  // made by an earlier engine; another mode is its owner's choice
  if ((statSync(dataRoot).mode & 0o777) === 0o711) chmodSync(dataRoot, 0o710);
  mkdirSync(config["exec-root"], { recursive: true, mode: 0o711 });
}
