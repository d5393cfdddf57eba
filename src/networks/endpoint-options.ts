import { EngineError } from "../base/errors.ts";
import { parseIp } from "../base/ip.ts";
import type { Attachment } from "./network.ts";
import { anyText, checkOptions, isLinkName } from "./options.ts";
import type { AttachedEndpoint } from "./sandbox/sandbox-row.ts";

/** Driver options of one endpoint, as Docker calls them. */
export const endpointOptions = {
  interfaceName: "com.docker.network.endpoint.ifname",
  sysctls: "com.docker.network.endpoint.sysctls",
} as const;

const known = {
  [endpointOptions.interfaceName]: isLinkName,
  [endpointOptions.sysctls]: anyText,
  // Written by clients from what inspect shows; without an effect here.
  "com.docker.network.windowsshim.dnsservers": anyText,
} as const;

/** Throws `invalid` for what an attachment wants that no driver can do. */
export function checkEndpointOptions({ driverOptions, linkLocalIps = [], mac }: Attachment): void {
  checkOptions("endpoint option", driverOptions, known);
  readSysctls(driverOptions[endpointOptions.sysctls] ?? "", "IFNAME");
  if (driverOptions[endpointOptions.interfaceName] === "lo")
    throw new EngineError("invalid", `endpoint option ${endpointOptions.interfaceName}: "lo" is the loopback's name`);
  for (const text of linkLocalIps) {
    const ip = parseIp(text);
    const linkLocal = ip?.family === 4 ? ip.value >> 16n === 0xa9fen : ip !== undefined && ip.value >> 118n === 0x3fan;
    if (!linkLocal)
      throw new EngineError("invalid", `link-local address ${text} is in neither 169.254.0.0/16 nor fe80::/10`, {
        address: text,
      });
  }
  if (mac === undefined || mac === "") return;
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) throw new EngineError("invalid", `invalid MAC address: ${mac}`);
  const first = Number.parseInt(mac.slice(0, 2), 16);
  if ((first & 1) !== 0 || /^00(:00){5}$/.test(mac))
    throw new EngineError("invalid", `invalid MAC address: ${mac} is no address of a single interface`);
}

/** The interface's sysctls, keys complete. */
export const endpointSysctls = (
  endpoint: Pick<AttachedEndpoint, "sysctls" | "interfaceName">,
): Record<string, string> => readSysctls(endpoint.sysctls ?? "", endpoint.interfaceName);

/** `net.ipv4.conf.IFNAME.log_martians=1,net.ipv6...`: Docker's form, in which IFNAME stands for the interface. */
function readSysctls(text: string, interfaceName: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const part of text.split(",").filter((piece) => piece !== "")) {
    const match = /^(net\.(?:ipv4|ipv6|mpls)\.(?:conf|neigh))\.IFNAME\.([a-z0-9_]+)=(.*)$/.exec(part.trim());
    if (match === null)
      throw new EngineError(
        "invalid",
        `endpoint sysctl ${JSON.stringify(part)} is not like net.ipv4.conf.IFNAME.key=value`,
        { sysctl: part },
      );
    // Slashes: an interface's name may have dots.
    found[`${match[1]?.replaceAll(".", "/")}/${interfaceName}/${match[2]}`] = match[3] ?? "";
  }
  return found;
}
