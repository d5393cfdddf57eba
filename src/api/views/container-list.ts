import type { Container } from "../../containers/container.ts";
import type { PortSummary } from "../../spec/engine/types.gen.ts";
import { mountsJson } from "./container-json.ts";
import { humanDuration } from "./human-duration.ts";
import { bindings, endpointsJson, exposedPorts, isUp, networkMode } from "./network-settings.ts";

/** An element of GET /containers/json as API 1.51 has it. */
export function containerSummary(container: Container, imageName: string, now: number) {
  const { hostConfig } = container.request;
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: imageName,
    ImageID: container.imageId,
    Command: commandText(container.plan.process.args),
    Created: Number(container.createdAtNs / 1_000_000_000n),
    Ports: portsList(container),
    Labels: { ...container.plan.labels },
    State: container.state.status,
    HostConfig: {
      NetworkMode: networkMode(container),
      ...(hostConfig.Annotations && { Annotations: hostConfig.Annotations }),
    },
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(endpointsJson(container)).map(([name, endpoint]) => [
          name,
          { ...endpoint, Aliases: null, DNSNames: null },
        ]),
      ),
    },
    Mounts: mountsJson(container.mounts),
    Status: statusText(container, now),
  };
}

/**
 * The same as JSON text. A container's snapshot never changes, so all but the status, which tells the time, is made
 * once: a list of 300 is 0.3 MB of text.
 */
export function summaryText(container: Container, imageName: string, now: number): string {
  const status = JSON.stringify(statusText(container, now));
  const kept = texts.get(container);
  if (kept?.imageName === imageName) return `${kept.head}${status}}`;
  const text = JSON.stringify(containerSummary(container, imageName, now));
  texts.set(container, { imageName, head: text.slice(0, text.length - status.length - 1) });
  return text;
}
const texts = new WeakMap<Container, { imageName: string; head: string }>();

function commandText(args: readonly string[]): string {
  return args.map((arg, index) => (index > 0 && arg.includes(" ") ? `'${arg}'` : arg)).join(" ");
}

function portsList(container: Container): PortSummary[] {
  const { sandbox } = container.state;
  if (!sandbox || !isUp(container)) return [];
  const list: PortSummary[] = [];
  const published = new Set<string>();
  for (const port of sandbox.ports) {
    published.add(`${port.containerPort}/${port.protocol}`);
    for (const { HostIp } of bindings(port))
      list.push({ IP: HostIp ?? "", PrivatePort: port.containerPort, PublicPort: port.hostPort, Type: port.protocol });
  }
  for (const name of exposedPorts(container)) {
    if (published.has(name)) continue;
    const [port, protocol] = name.split("/");
    list.push({ PrivatePort: Number(port), Type: protocol === "udp" || protocol === "sctp" ? protocol : "tcp" });
  }
  return list.sort((a, b) => a.PrivatePort - b.PrivatePort);
}

/** `Up 5 seconds (healthy)`, `Exited (0) 3 hours ago`, ... moby container/state.go, String(). */
export function statusText(container: Container, now: number): string {
  const { state } = container;
  const since = (ns: bigint): string => humanDuration(now - Number(ns / 1_000_000n));
  switch (state.status) {
    case "paused":
      return `Up ${since(state.startedAtNs)} (Paused)`;
    case "restarting":
      return `Restarting (${state.exitCode}) ${since(state.finishedAtNs)} ago`;
    case "running": {
      const health = state.health?.status;
      const suffix = health === undefined ? "" : health === "starting" ? " (health: starting)" : ` (${health})`;
      return `Up ${since(state.startedAtNs)}${suffix}`;
    }
    case "removing":
      return "Removal In Progress";
    case "dead":
      return "Dead";
    case "created":
      return "Created";
    case "exited":
      return `Exited (${state.exitCode}) ${since(state.finishedAtNs)} ago`;
  }
}
