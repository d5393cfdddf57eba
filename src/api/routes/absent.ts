import { EngineError } from "../../base/errors.ts";
import type { Permission, Routes } from "../route.ts";
import { notAManager } from "./network.ts";

const plugin = (can: Permission) => ({
  can,
  handle: ({ params }: { params: object }): never => {
    const name = "name" in params ? params.name : undefined;
    if (typeof name === "string") throw new EngineError("not-found", `plugin ${JSON.stringify(name)} not found`);
    throw new EngineError("not-implemented", "plugins are not available yet");
  },
});

const swarm = (can: Permission) => ({
  can,
  handle: (): never => {
    throw new EngineError("unavailable", notAManager);
  },
});

const missing = (can: Permission, what: string) => ({
  can,
  handle: (): never => {
    throw new EngineError("not-implemented", `${what} is not available yet`);
  },
});

/** Operations of what this engine does not have yet, answered as a daemon without it answers. */
export const absentRoutes = {
  PluginList: { can: "plugin:list", handle: () => [] },
  GetPluginPrivileges: plugin("plugin:read"),
  PluginPull: plugin("plugin:change"),
  PluginInspect: plugin("plugin:read"),
  PluginDelete: plugin("plugin:change"),
  PluginEnable: plugin("plugin:change"),
  PluginDisable: plugin("plugin:change"),
  PluginUpgrade: plugin("plugin:change"),
  PluginCreate: plugin("plugin:change"),
  PluginPush: plugin("plugin:change"),
  PluginSet: plugin("plugin:change"),

  NodeList: swarm("swarm:read"),
  NodeInspect: swarm("swarm:read"),
  NodeDelete: swarm("swarm:change"),
  NodeUpdate: swarm("swarm:change"),
  SwarmInspect: swarm("swarm:read"),
  SwarmInit: missing("swarm:change", "a cluster"),
  SwarmJoin: missing("swarm:change", "a cluster"),
  SwarmLeave: {
    can: "swarm:change",
    handle: (): never => {
      throw new EngineError("unavailable", "This node is not part of a swarm");
    },
  },
  SwarmUpdate: swarm("swarm:change"),
  SwarmUnlockkey: swarm("swarm:read"),
  SwarmUnlock: swarm("swarm:change"),
  ServiceList: swarm("swarm:read"),
  ServiceCreate: swarm("swarm:change"),
  ServiceInspect: swarm("swarm:read"),
  ServiceDelete: swarm("swarm:change"),
  ServiceUpdate: swarm("swarm:change"),
  ServiceLogs: swarm("swarm:read"),
  TaskList: swarm("swarm:read"),
  TaskInspect: swarm("swarm:read"),
  TaskLogs: swarm("swarm:read"),
  SecretList: swarm("swarm:read"),
  SecretCreate: swarm("swarm:change"),
  SecretInspect: swarm("swarm:read"),
  SecretDelete: swarm("swarm:change"),
  SecretUpdate: swarm("swarm:change"),
  ConfigList: swarm("swarm:read"),
  ConfigCreate: swarm("swarm:change"),
  ConfigInspect: swarm("swarm:read"),
  ConfigDelete: swarm("swarm:change"),
  ConfigUpdate: swarm("swarm:change"),
} satisfies Partial<Routes>;
