import { EngineError, errorMessage } from "../../base/errors.ts";
import type { KnownNetwork, NetworkDriver, Socket } from "../driver.ts";
import { anyText, checkOptions, isWhole, type OptionCheck } from "../options.ts";
import type { AttachedEndpoint } from "../sandbox/sandbox-row.ts";
import { atLeast, type Conflist, isObject, loadConflist, type PluginConfig } from "./conflist.ts";
import { callPlugin, findPlugin } from "./plugin.ts";
import { readResult } from "./result.ts";

const optionNames = {
  /** Name of a list in the folder, or the path of one. */
  conflist: "conflist",
  configFolder: "conf-dir",
  pluginFolders: "bin-dir",
  args: "args",
  timeoutSeconds: "timeout",
} as const;

const isFolder: OptionCheck = (value) =>
  value.split(":").every((part) => part.startsWith("/")) ? undefined : "is no absolute path";
const known: Readonly<Record<string, OptionCheck>> = {
  [optionNames.conflist]: (value) => (value === "" ? "is empty" : undefined),
  [optionNames.configFolder]: isFolder,
  [optionNames.pluginFolders]: isFolder,
  [optionNames.args]: anyText,
  [optionNames.timeoutSeconds]: isWhole(1, 600),
};

const defaultFolder = "/etc/cni/net.d";
const defaultPluginFolders = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];
const defaultTimeoutSeconds = 30;

/** Kept with the endpoint: DEL gets what ADD was given, whatever has become of the file. */
interface Plugged {
  readonly list: Conflist;
  readonly result?: unknown;
}

/** Runs plugins of the Container Network Interface: interfaces, addresses and routes are theirs. */
export const cni: NetworkDriver = {
  addressed: false,
  creatable: true,
  publishes: false,

  check({ options, pools, enableIpv6 }) {
    checkOptions("network option", options, known);
    if (options[optionNames.conflist] === undefined)
      throw new EngineError(
        "invalid",
        "a network of the cni driver needs -o conflist=NAME (a list in /etc/cni/net.d, or a path)",
      );
    if (pools.some(({ subnet }) => subnet) || enableIpv6)
      throw new EngineError(
        "invalid",
        "addresses of a cni network are its plugins' to give: --subnet and --ipv6 do not apply",
      );
  },

  /** Every plugin is there and speaks the list's version. */
  async up(network) {
    if (!network.pending) return; // a start of the daemon does not wait for plugins
    const list = listOf(network);
    const { folders, timeoutMs } = settingsOf(network);
    for (const { type } of list.plugins) {
      findPlugin(type, folders);
      const config = { cniVersion: list.cniVersion };
      const answer = await callPlugin({ command: "VERSION", type, folders, config, timeoutMs });
      const versions = isObject(answer) ? answer["supportedVersions"] : undefined;
      if (!Array.isArray(versions) || !versions.includes(list.cniVersion)) {
        const has = Array.isArray(versions) ? versions.join(", ") : "none";
        throw new EngineError(
          "invalid",
          `CNI plugin "${type}" does not speak version ${list.cniVersion} of ${list.name}, only ${has}`,
        );
      }
    }
  },

  async down() {},

  link: () => undefined,
  firewalled: () => undefined,

  plugs: {
    async plug(network, endpoint, socket, { kernel }) {
      const list = listOf(network);
      try {
        const result = await addAll(network, list, endpoint, socket);
        const links = (await kernel.call({ op: "links", path: socket.netnsPath })) as readonly {
          name: string;
          mac: string;
        }[];
        const link = links.find(({ name }) => name === endpoint.interfaceName);
        if (link === undefined)
          throw new EngineError(
            "internal",
            `CNI network ${list.name}: its plugins say they succeeded, and there is no interface ${endpoint.interfaceName}`,
          );
        const kept: Plugged = { list, result };
        return { ...endpoint, ...readResult(result, list.name), mac: link.mac, plugged: JSON.stringify(kept) };
      } catch (error) {
        // spec: after a failed ADD a DEL for all plugins
        await deleteAll(network, { list }, endpoint, socket).catch(() => undefined); // why ADD failed is what matters
        throw error;
      }
    },

    async unplug(network, endpoint, socket) {
      const plugged = (
        endpoint.plugged === undefined ? { list: listOf(network) } : JSON.parse(endpoint.plugged)
      ) as Plugged;
      await deleteAll(network, plugged, endpoint, socket);
    },

    async look(network, attached) {
      const list = listOf(network);
      const { folders, timeoutMs, args } = settingsOf(network);
      const troubles: string[] = [];
      for (const { endpoint, socket } of attached) {
        const plugged = endpoint.plugged === undefined ? undefined : (JSON.parse(endpoint.plugged) as Plugged);
        if (plugged === undefined || plugged.list.disableCheck || !atLeast(plugged.list.cniVersion, "0.4.0")) continue;
        for (const plugin of plugged.list.plugins) {
          const config = { ...configOf(plugged.list, plugin), prevResult: plugged.result };
          await callPlugin({
            ...placeOf(endpoint, socket),
            command: "CHECK",
            type: plugin.type,
            folders,
            config,
            timeoutMs,
            args,
          }).catch((error: unknown) => troubles.push(`container ${socket.containerName}: ${errorMessage(error)}`));
        }
      }
      if (list.disableGc || !atLeast(list.cniVersion, "1.1.0")) return troubles;
      const valid = attached.map(({ endpoint, socket }) => ({
        containerID: socket.containerId,
        ifname: endpoint.interfaceName,
      }));
      for (const plugin of list.plugins) {
        const config = { ...configOf(list, plugin), "cni.dev/valid-attachments": valid, "cni.dev/attachments": valid };
        await callPlugin({ command: "GC", type: plugin.type, folders, config, timeoutMs, args }).catch(
          (error: unknown) => troubles.push(errorMessage(error)),
        );
      }
      return troubles;
    },
  },
};

function settingsOf({ options }: Pick<KnownNetwork, "options">) {
  const folders = options[optionNames.pluginFolders]?.split(":") ?? defaultPluginFolders;
  return {
    folders,
    timeoutMs: Number(options[optionNames.timeoutSeconds] ?? defaultTimeoutSeconds) * 1000,
    args: options[optionNames.args] ?? "",
  };
}

const listOf = ({ options }: Pick<KnownNetwork, "options">): Conflist =>
  loadConflist(options[optionNames.conflist] ?? "", options[optionNames.configFolder] ?? defaultFolder);

const placeOf = (endpoint: AttachedEndpoint, { containerId, netnsPath }: Socket) => ({
  containerId,
  netnsPath,
  interfaceName: endpoint.interfaceName,
});

/** spec 1.1, "Deriving request configuration from plugin configuration" */
function configOf(list: Conflist, plugin: PluginConfig): Record<string, unknown> {
  const { capabilities: _capabilities, ...config } = plugin;
  return { ...config, cniVersion: list.cniVersion, name: list.name };
}

async function addAll(
  network: KnownNetwork,
  list: Conflist,
  endpoint: AttachedEndpoint,
  socket: Socket,
): Promise<unknown> {
  const { folders, timeoutMs, args } = settingsOf(network);
  let prevResult: unknown;
  for (const plugin of list.plugins) {
    const { mac } = endpoint;
    const wishes =
      isObject(plugin["capabilities"]) && plugin["capabilities"]["mac"] === true && mac !== ""
        ? { runtimeConfig: { mac } }
        : {};
    const config = { ...configOf(list, plugin), ...wishes, ...(prevResult === undefined ? {} : { prevResult }) };
    const place = placeOf(endpoint, socket);
    prevResult = await callPlugin({ ...place, command: "ADD", type: plugin.type, folders, config, timeoutMs, args });
  }
  return prevResult;
}

/** In reverse order, every one, whatever becomes of the others. */
async function deleteAll(
  network: KnownNetwork,
  { list, result }: Plugged,
  endpoint: AttachedEndpoint,
  socket: Socket,
): Promise<void> {
  const { folders, timeoutMs, args } = settingsOf(network);
  const troubles: string[] = [];
  for (const plugin of list.plugins.toReversed()) {
    const config = { ...configOf(list, plugin), ...(result === undefined ? {} : { prevResult: result }) };
    const place = placeOf(endpoint, socket);
    await callPlugin({ ...place, command: "DEL", type: plugin.type, folders, config, timeoutMs, args }).catch(
      (error: unknown) => troubles.push(errorMessage(error)),
    );
  }
  if (troubles.length > 0) throw new EngineError("internal", troubles.join("; "));
}
