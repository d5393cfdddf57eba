import { ApiError, type EngineClient } from "../../client/engine-client.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { objectFormat } from "../render/format-flag.ts";
import type { Typed } from "../render/inspect.ts";
import { inspectNamed } from "../render/inspect-named.ts";
import { typedContainer, typedImage, typedNetwork, typedVolume } from "../render/shapes.ts";

interface Kind {
  readonly find: (engine: EngineClient, id: string, size: boolean) => Promise<unknown>;
  readonly typed?: Typed;
  /** Asked only where the daemon is a swarm manager. */
  readonly swarm?: boolean;
}

/** In the order docker walks them for a name without --type. */
const kinds: Readonly<Record<string, Kind>> = {
  container: {
    find: (engine, id, size) => engine.call("ContainerInspect", { id, ...(size ? { size } : {}) }),
    typed: typedContainer,
  },
  image: { find: (engine, name) => engine.call("ImageInspect", { name }), typed: typedImage },
  network: { find: (engine, id) => engine.call("NetworkInspect", { id }), typed: typedNetwork },
  volume: { find: (engine, name) => engine.call("VolumeInspect", { name }), typed: typedVolume },
  service: { find: (engine, id) => engine.call("ServiceInspect", { id }), swarm: true },
  task: { find: (engine, id) => engine.call("TaskInspect", { id }), swarm: true },
  node: { find: (engine, id) => engine.call("NodeInspect", { id }), swarm: true },
  plugin: { find: (engine, name) => engine.call("PluginInspect", { name }) },
  secret: { find: (engine, id) => engine.call("SecretInspect", { id }), swarm: true },
  config: { find: (engine, id) => engine.call("ConfigInspect", { id }), swarm: true },
};
const kindNames = Object.keys(kinds).sort();

export const inspect = command({
  path: "inspect",
  args: "NAME|ID [NAME|ID...]",
  arity: { min: 1, max: Infinity },
  summary: "Return low-level information on Docker objects",
  complete: "container",
  flags: {
    format: objectFormat,
    size: { type: "bool", short: "s", help: "Display total file sizes if the type is container" },
    type: { type: "string", help: "Only inspect objects of the given type", complete: kindNames },
  },
  async run({ flags, args, set, engine, stdout, stderr }) {
    if (set.has("type") && flags.type === "")
      throw new ExitError(1, `type is empty: must be one of "${kindNames.join('", "')}"`);
    const wanted = flags.type === undefined ? undefined : kinds[flags.type];
    if (flags.type !== undefined && (wanted === undefined || !Object.hasOwn(kinds, flags.type))) {
      throw new ExitError(1, `unknown type: ${JSON.stringify(flags.type)}: must be one of "${kindNames.join('", "')}"`);
    }
    const find = async (name: string): Promise<{ value: unknown; typed?: Typed | undefined }> => {
      if (wanted !== undefined) return { value: await wanted.find(engine, name, flags.size), typed: wanted.typed };
      const found = await search(engine, name, flags.size);
      if (found === undefined) throw new ExitError(1, `Error: No such object: ${name}`);
      if (flags.size && found.kind !== "container") stderr.write(`WARNING: --size ignored for ${found.kind}\n`);
      return found;
    };
    await inspectNamed({ engine, names: args, format: flags.format, stdout, find });
  },
});

async function search(
  engine: EngineClient,
  name: string,
  size: boolean,
): Promise<{ kind: string; value: unknown; typed?: Typed | undefined } | undefined> {
  let manager: boolean | undefined;
  for (const [kind, { find, typed, swarm }] of Object.entries(kinds)) {
    if (swarm === true) {
      manager ??= (await engine.call("SystemInfo", {})).Swarm?.ControlAvailable === true;
      if (!manager) continue;
    }
    try {
      return { kind, value: await find(engine, name, size), typed };
    } catch (error) {
      // 400: the name cannot be of that kind; 501: the daemon has no such kind.
      if (!(error instanceof ApiError) || ![400, 404, 501].includes(error.status)) throw error;
    }
  }
  return undefined;
}
