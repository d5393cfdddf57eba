import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { inSubnet } from "./proxies.ts";

/** moby's: the own machine always is */
const always = ["127.0.0.0/8", "::1/128"];
const lookupMs = 5_000;

/**
 * Whether a registry (`name[:port]`) may be spoken to without a verified certificate: its name is listed, or one of
 * its addresses lies in a listed CIDR. A name that cannot be looked up is not.
 */
export async function isInsecure(host: string, listed: readonly string[]): Promise<boolean> {
  const entries = listed.map((entry) => entry.replace(/^https?:\/\//, "").replace(/\/$/, ""));
  if (entries.includes(host)) return true;
  const name = host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const cidrs = [...always, ...entries.filter((entry) => entry.includes("/"))];
  const inAny = (address: string): boolean => cidrs.some((cidr) => inSubnet(address, cidr));
  if (isIP(name) !== 0) return inAny(name);
  if (name !== "localhost" && cidrs.length === always.length) return false; // no look-up where nothing hangs on it
  return (await addressesOf(name)).some(inAny);
}

async function addressesOf(name: string): Promise<string[]> {
  const late = Promise.withResolvers<never[]>();
  const timer = setTimeout(() => late.resolve([]), lookupMs);
  try {
    const found = lookup(name, { all: true }).then((rows) => rows.map(({ address }) => address));
    return await Promise.race([found, late.promise]);
  } catch {
    return []; // moby parity: what has no address is judged by its name alone
  } finally {
    clearTimeout(timer);
  }
}
