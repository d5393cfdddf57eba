import { readFile, writeFile } from "node:fs/promises";
import type { Protocol, Sandbox } from "../../networks/network.ts";
import type { Container } from "../container.ts";
import type { ContainerDeps } from "../deps.ts";
import { hostnameFile, hostsFile, resolvFile } from "../oci/etc-files.ts";
import { linkEnv } from "../oci/link-env.ts";
import { isLive } from "../books/state.ts";

/** Writes hosts, hostname and resolv.conf. A container that shares another's network shares its files: see `plan`. */
export async function writeEtcFiles(deps: ContainerDeps, container: Container, sandbox: Sandbox): Promise<void> {
  const { plan, paths } = container;
  if (plan.network.mode === "container") return copyFiles(deps, container, plan.network.sharedWith ?? "");
  const { hosts, resolv } = await contents(deps, container, sandbox);
  await Promise.all([
    writeFile(paths.hosts, hosts, { mode: 0o644 }),
    writeFile(paths.hostname, hostnameFile(plan.hostname), { mode: 0o644 }),
    writeFile(paths.resolv, resolv, { mode: 0o644 }),
  ]);
}

/**
 * A running container's networks changed: its hosts and resolv.conf follow, each unless the container has written into
 * it (moby parity). In place, as the container has the files mounted.
 */
export async function refreshEtcFiles(
  deps: ContainerDeps,
  container: Container,
  sandboxes: { before: Sandbox; after: Sandbox },
): Promise<void> {
  const [before, after] = await Promise.all([
    contents(deps, container, sandboxes.before),
    contents(deps, container, sandboxes.after),
  ]);
  for (const name of ["hosts", "resolv"] as const) {
    const path = container.paths[name];
    if (before[name] !== after[name] && (await readFile(path, "utf8").catch(() => "")) === before[name])
      await writeFile(path, after[name]);
  }
}

async function contents(
  deps: ContainerDeps,
  container: Container,
  sandbox: Sandbox,
): Promise<{ hosts: string; resolv: string }> {
  const { plan } = container;
  const hostFile = await readFile("/etc/resolv.conf", "utf8").catch(() => ""); // a host without one: the fall-back servers
  const ipv6 = sandbox.endpoints.some((endpoint) => endpoint.ipv6 !== "");
  const hostNetwork = plan.network.mode === "host";
  const addresses = sandbox.endpoints.flatMap((endpoint) =>
    [endpoint.ipv4, endpoint.ipv6].filter((address) => address !== ""),
  );
  const { resolv } = plan;
  const ownHosts = hostNetwork ? await readFile("/etc/hosts", "utf8").catch(() => "") : ""; // none: the usual rows
  return {
    hosts: hostsFile({
      hostname: plan.hostname,
      domainname: plan.domainname,
      addresses,
      extraHosts: resolv.extraHosts,
      links: linked(deps, container).map((link) => ({ ...link, alias: link.alias })),
      ipv6: ipv6 || hostNetwork,
      hostFile: ownHosts,
    }),
    resolv: resolvFile({ resolv, hostFile, internal: sandbox.nameservers, hostNetwork, ipv6 }),
  };
}

async function copyFiles(deps: ContainerDeps, { paths }: Container, from: string): Promise<void> {
  const other = deps.records.get(from).paths;
  await Promise.all(
    (["hosts", "hostname", "resolv"] as const).map(async (name) => {
      const text = await readFile(other[name], "utf8").catch(() => ""); // it has never been started
      await writeFile(paths[name], text, { mode: 0o644 });
    }),
  );
}

interface Linked {
  readonly ip: string;
  readonly alias: string;
  readonly name: string;
  readonly hostname: string;
  readonly other: Container;
}

/** The linked containers that run, by their address on a bridge. */
function linked(deps: ContainerDeps, { plan }: Container): Linked[] {
  return plan.resolv.links.flatMap(({ containerId, alias }) => {
    const other = deps.records.find(containerId);
    const ip = other && isLive(other.state) ? other.state.sandbox?.endpoints[0]?.ipv4 : undefined;
    return other && ip ? [{ ip, alias, name: other.name, hostname: other.plan.hostname, other }] : [];
  });
}

/** Variables that `--link` gives. */
export function linkVariables(deps: ContainerDeps, container: Container): string[] {
  return linked(deps, container).flatMap(({ ip, alias, other }) => {
    const ports = Object.keys(other.request.config.ExposedPorts ?? {}).map(
      (key): { port: number; protocol: Protocol } => {
        const [port = "0", protocol = "tcp"] = key.split("/");
        return { port: Number(port), protocol: protocol === "udp" || protocol === "sctp" ? protocol : "tcp" };
      },
    );
    return linkEnv({ name: `${container.name}/${alias}`, alias, ip, env: other.request.config.Env ?? [], ports });
  });
}
