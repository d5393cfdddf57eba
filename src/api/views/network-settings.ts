import type { Container } from "../../containers/container.ts";
import type { Endpoint, PublishedPort } from "../../networks/network.ts";
import type { EndpointSettings, PortBinding, PortMap } from "../../spec/engine/types.gen.ts";

/** Network of a container as it is named on the wire: `default` has been `bridge` since API 1.44. */
export function networkMode(container: Container): string {
  const mode = container.request.hostConfig.NetworkMode ?? "";
  return mode === "" || mode === "default" ? "bridge" : mode;
}

/** The container has its processes now. */
export const isUp = (container: Container): boolean =>
  container.state.status === "running" ||
  container.state.status === "paused" ||
  container.state.status === "restarting";

/** One entry per network: what is there while it runs, what was asked before and after. */
export function endpointsJson(container: Container): Record<string, EndpointSettings> {
  const asked = askedEndpoints(container);
  const views: Record<string, EndpointSettings> = {};
  for (const endpoint of container.state.sandbox?.endpoints ?? []) {
    const request = asked.get(endpoint.networkName) ?? asked.get(endpoint.networkId) ?? {};
    asked.delete(endpoint.networkName);
    asked.delete(endpoint.networkId);
    views[endpoint.networkName] = endpointJson(request, endpoint);
  }
  for (const [name, request] of asked) views[name] = endpointJson(request, undefined);
  return views;
}

function askedEndpoints(container: Container): Map<string, EndpointSettings> {
  const asked = new Map(
    Object.entries(container.request.networking.EndpointsConfig ?? {}).map(([name, value]) => [
      name === "default" ? "bridge" : name,
      value ?? {},
    ]),
  );
  for (const { network } of container.plan.network.attachments) if (!asked.has(network)) asked.set(network, {});
  const mode = container.plan.network.mode;
  if ((mode === "host" || mode === "none") && !asked.has(mode)) asked.set(mode, {});
  return asked;
}

function endpointJson(asked: EndpointSettings, endpoint: Endpoint | undefined): EndpointSettings {
  return {
    IPAMConfig: asked.IPAMConfig ?? null,
    Links: asked.Links ?? null,
    Aliases: asked.Aliases ?? null,
    MacAddress: endpoint?.mac ?? asked.MacAddress ?? "",
    DriverOpts: asked.DriverOpts ?? null,
    GwPriority: asked.GwPriority ?? 0,
    NetworkID: endpoint?.networkId ?? asked.NetworkID ?? "",
    EndpointID: endpoint?.id ?? "",
    Gateway: endpoint?.ipv4Gateway ?? "",
    IPAddress: endpoint?.ipv4 ?? "",
    IPPrefixLen: endpoint?.ipv4PrefixLength ?? 0,
    IPv6Gateway: endpoint?.ipv6Gateway ?? "",
    GlobalIPv6Address: endpoint?.ipv6 ?? "",
    GlobalIPv6PrefixLen: endpoint?.ipv6PrefixLength ?? 0,
    DNSNames: endpoint ? [...endpoint.dnsNames] : null,
  };
}

/** Ports of a running container; an exposed one that is not published has null. Empty when it does not run. */
export function portsJson(container: Container): PortMap {
  const { sandbox } = container.state;
  if (!sandbox || !isUp(container)) return {};
  const ports: PortMap = {};
  for (const name of exposedPorts(container)) ports[name] = null;
  for (const published of sandbox.ports) {
    const key = `${published.containerPort}/${published.protocol}`;
    ports[key] = [...(ports[key] ?? []), ...bindings(published)];
  }
  return ports;
}

/** `80/tcp`, from the image, `--expose` and `-p`. */
export function exposedPorts(container: Container): string[] {
  const { config, hostConfig } = container.request;
  const names = [...Object.keys(config.ExposedPorts ?? {}), ...Object.keys(hostConfig.PortBindings ?? {})];
  return [...new Set(names.map((name) => (name.includes("/") ? name : `${name}/tcp`)))];
}

/** A port published on all addresses shows once per family. */
export function bindings(port: PublishedPort): PortBinding[] {
  const HostPort = String(port.hostPort);
  return port.hostIp === ""
    ? [
        { HostIp: "0.0.0.0", HostPort },
        { HostIp: "::", HostPort },
      ]
    : [{ HostIp: port.hostIp, HostPort }];
}

/** `NetworkSettings` of API < 1.52, which repeats the default bridge's addresses at the top. */
export function networkSettingsJson(container: Container) {
  const sandbox = isUp(container) ? container.state.sandbox : null;
  const networks = endpointsJson(container);
  const bridge: EndpointSettings = networks["bridge"] ?? {};
  return {
    Bridge: "",
    SandboxID: sandbox?.id ?? "",
    SandboxKey: sandbox?.netnsPath ?? "",
    Ports: portsJson(container),
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge.EndpointID ?? "",
    Gateway: bridge.Gateway ?? "",
    GlobalIPv6Address: bridge.GlobalIPv6Address ?? "",
    GlobalIPv6PrefixLen: bridge.GlobalIPv6PrefixLen ?? 0,
    IPAddress: bridge.IPAddress ?? "",
    IPPrefixLen: bridge.IPPrefixLen ?? 0,
    IPv6Gateway: bridge.IPv6Gateway ?? "",
    MacAddress: bridge.MacAddress ?? "",
    Networks: networks,
  };
}
