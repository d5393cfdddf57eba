import { isIP } from "node:net";
import { EngineError } from "../../base/errors.ts";
import type { PortRequest, Protocol } from "../../networks/network.ts";
import type { ContainerConfig, HostConfig } from "../../spec/engine/types.gen.ts";

/**
 * The ports of a container that shall be reached at the host: its bindings, and with PublishAllPorts each exposed port
 * that has none. Sorted by port and protocol. Throws Docker's texts.
 */
export function planPorts(config: ContainerConfig, host: HostConfig): PortRequest[] {
  const requests: PortRequest[] = [];
  const bound = new Set<string>();
  for (const [key, bindings] of Object.entries(host.PortBindings ?? {})) {
    for (const { port, protocol } of containerPorts(key)) {
      for (const binding of bindings ?? []) {
        bound.add(`${port}/${protocol}`);
        const hostIp = binding.HostIp ?? "";
        if (hostIp !== "" && isIP(hostIp) === 0)
          throw new EngineError("invalid", `invalid host IP address in port binding: "${hostIp}"`, { hostIp });
        requests.push({ containerPort: port, protocol, hostIp, hostPort: hostPort(binding.HostPort ?? "") });
      }
    }
  }
  const all = [...Object.keys(config.ExposedPorts ?? {}), ...Object.keys(host.PortBindings ?? {})].flatMap(
    containerPorts,
  );
  if (host.PublishAllPorts) {
    for (const { port, protocol } of all) {
      if (bound.has(`${port}/${protocol}`)) continue;
      bound.add(`${port}/${protocol}`);
      requests.push({ containerPort: port, protocol, hostIp: "", hostPort: 0 });
    }
  }
  return requests.sort((a, b) => a.containerPort - b.containerPort || a.protocol.localeCompare(b.protocol));
}

/** `80`, `80/tcp`, `8000-8010/udp`. */
export function containerPorts(key: string): { port: number; protocol: Protocol }[] {
  const [range = "", protocol = "tcp", ...more] = key.split("/");
  const known = (["tcp", "udp", "sctp"] as const).find((name) => name === protocol.toLowerCase());
  if (!known || more.length > 0)
    throw new EngineError("invalid", `invalid port specification: "${key}"`, { port: key });
  const [first, last] = portRange(range);
  return Array.from({ length: last - first + 1 }, (_, offset) => ({ port: first + offset, protocol: known }));
}

function hostPort(text: string): PortRequest["hostPort"] {
  if (text === "" || text === "0") return 0;
  const [first, last] = portRange(text);
  return first === last ? first : [first, last];
}

function portRange(text: string): readonly [number, number] {
  const [, from, to] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const first = Number(from);
  const last = Number(to ?? from);
  if (from === undefined || first < 1 || last > 65535 || last < first) {
    throw new EngineError("invalid", `invalid port specification: "${text}"`, { port: text });
  }
  return [first, last];
}
