import { EngineError } from "../../base/errors.ts";
import { formatCidr, parseCidr, parseIp } from "../../base/ip.ts";
import type { HostConfig } from "../../spec/engine/types.gen.ts";
import type { ContainerPlan } from "../plan.ts";

/** Our own annotations, set by `--net-rate` and `--egress-allow`: the stock wire has no fields for them. */
const rateAnnotation = "io.berth.net.rate";
const egressAnnotation = "io.berth.net.egress-allow";

type Limits = Pick<ContainerPlan["network"], "rate" | "egress">;

/** How fast a container's network is and where it leads. Throws `invalid` for what is no rate or no destination. */
export function planNetLimits(host: HostConfig, mode: string): Limits {
  const { [rateAnnotation]: rate, [egressAnnotation]: egress } = host.Annotations ?? {};
  if (rate === undefined && egress === undefined) return {};
  if (mode === "host" || mode === "none" || mode.startsWith("container:"))
    throw new EngineError(
      "invalid",
      `--net-rate and --egress-allow need a network of the container's own, not ${mode}`,
      { mode },
    );
  const mayChangeRules =
    host.Privileged === true || (host.CapAdd ?? []).some((name) => /^(CAP_)?(NET_ADMIN|SYS_ADMIN)$|^ALL$/i.test(name));
  if (egress !== undefined && mayChangeRules)
    throw new EngineError(
      "invalid",
      "--egress-allow cannot bind a privileged container, nor one with NET_ADMIN or SYS_ADMIN: it could take the rules away",
    );
  return {
    ...(rate === undefined ? {} : { rate: readRate(rate) }),
    ...(egress === undefined ? {} : { egress: readEgress(egress) }),
  };
}

const units: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** `in=10mbit,out=512kbit`: bits a second, as tc(8) writes them. */
function readRate(text: string): { inBps: number; outBps: number } {
  const found = { in: 0, out: 0 };
  for (const part of text.split(",")) {
    const [, direction, digits, unit = ""] =
      /^(in|out)=([0-9]+(?:\.[0-9]+)?)([kmg]?)(?:bit)?$/i.exec(part.trim()) ?? [];
    const bits = Number(digits) * (units[unit.toLowerCase()] ?? Number.NaN);
    if ((direction !== "in" && direction !== "out") || !Number.isFinite(bits) || bits < 8000 || bits > 1e13)
      throw new EngineError(
        "invalid",
        `invalid net rate ${JSON.stringify(part)}: not like in=10mbit or out=512kbit (8kbit or more)`,
        { rate: text },
      );
    found[direction] = Math.round(bits);
  }
  return { inBps: found.in, outBps: found.out };
}

/** Subnets, addresses, names and `*.name`, with commas between. */
function readEgress(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim().toLowerCase().replace(/\.$/, ""))
    .filter((part) => part !== "")
    .map((part) => {
      const ip = parseIp(part);
      if (ip !== undefined) return `${part}/${ip.family === 4 ? 32 : 128}`;
      const cidr = parseCidr(part);
      if (cidr !== undefined) return formatCidr(cidr);
      if (
        part.length <= 253 &&
        /^(\*\.)?[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*$/.test(part) &&
        !/^[0-9.]+$/.test(part)
      )
        return part;
      throw new EngineError(
        "invalid",
        `invalid egress destination ${JSON.stringify(part)}: no subnet, address or DNS name`,
        { destination: part },
      );
    });
}
