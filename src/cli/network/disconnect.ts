import { command } from "../command.ts";

export const networkDisconnect = command({
  path: "network disconnect",
  args: "NETWORK CONTAINER",
  arity: { min: 2, max: 2 },
  summary: "Disconnect a container from a network",
  complete: "network",
  flags: { force: { type: "bool", short: "f", help: "Force the container to disconnect from a network" } },
  async run({ flags, args: [id = "", Container = ""], engine }) {
    await engine.call("NetworkDisconnect", { id }, { Container, Force: flags.force });
  },
});
