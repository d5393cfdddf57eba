import { parseIp } from "../../base/ip.ts";
import { goQuote } from "../parse.ts";
import { parseBytes } from "../values/bytes.ts";
import { parseCsvLine } from "../values/csv.ts";

/** `KEY=value` or `KEY` (taken from our environment). */
export function checkEnv(value: string): void {
  if (value === "" || value.startsWith("=")) throw new Error(`invalid environment variable: ${value}`);
}

export function checkAttach(value: string): void {
  if (!/^(stdin|stdout|stderr)$/i.test(value)) throw new Error("valid streams are STDIN, STDOUT and STDERR");
}

export function checkIp(value: string): void {
  if (parseIp(value.trim()) === undefined) throw new Error(`IP address is not correctly formatted: ${value}`);
}

/** `host:ip`, `host=ip`, an IPv6 address with or without brackets, or the daemon's `host-gateway`. */
export function checkExtraHost(value: string): void {
  const { name, address } = splitExtraHost(value);
  if (name === "" || address === undefined) throw new Error(`bad format for add-host: ${goQuote(value)}`);
  if (address === "host-gateway") return;
  if (parseIp(address) === undefined) throw new Error(`invalid IP address in add-host: ${goQuote(address)}`);
}

/** The form the API takes: `host:ip` without brackets. */
export function extraHost(value: string): string {
  const { name, address } = splitExtraHost(value);
  return `${name}:${address ?? ""}`;
}

function splitExtraHost(value: string): { name: string; address: string | undefined } {
  const match = value.includes("=") ? /^([^=]*)=(.*)$/s.exec(value) : /^([^:]*):(.*)$/s.exec(value);
  const address = match?.[2];
  const bracketed = address === undefined ? undefined : /^\[(.*)\]$/.exec(address)?.[1];
  return { name: match?.[1] ?? "", address: bracketed ?? address };
}

/** A dns search domain; `.` switches searching off. */
export function checkDnsSearch(value: string): void {
  if (value.trim() === ".") return;
  const domain =
    /^(:?(:?[a-zA-Z0-9]|(:?[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))(:?\.(:?[a-zA-Z0-9]|(:?[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])))*)\.?$/;
  if (value.length > 254 || !domain.test(value.trim())) throw new Error(`${value} is not a valid domain`);
}

/** `container` or `container:alias`. */
export function checkLink(value: string): void {
  if (value === "") throw new Error("empty string specified for links");
  if (value.split(":").length > 2) throw new Error(`bad format for links: ${value}`);
}

/** sysctls that belong to a namespace of the container. */
export function checkSysctl(value: string): void {
  const known = new Set([
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
  ]);
  const [name = "", rest] = value.split(/=(.*)/s, 2);
  if (rest === undefined || !(known.has(name) || /^(net|fs\.mqueue)\./.test(name)))
    throw new Error(`sysctl '${value}' is not allowed`);
}

/** An unsigned number of at most so many bits (strconv.ParseUint). */
export const checkUnsigned =
  (bits: 16 | 64) =>
  (value: string): void => {
    if (!/^(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[0-9]+)$/.test(value))
      throw new Error(`strconv.ParseUint: parsing ${goQuote(value)}: invalid syntax`);
    if (BigInt(value.replace(/^0(?=[0-7])/, "0o")) >= 1n << BigInt(bits))
      throw new Error(`strconv.ParseUint: parsing ${goQuote(value)}: value out of range`);
  };

/** docker's decimal for --cpus, exact to a billionth. */
export function checkCpus(value: string): void {
  parseNanoCpus(value);
}

/** `1.5` CPUs as billionths. */
export function parseNanoCpus(value: string): number {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(value.trim());
  const whole = match?.[2] ?? "";
  const fraction = match?.[3] ?? "";
  if (match === null || whole + fraction === "") {
    const [over, under] = value.split("/");
    if (under !== undefined && /^[+-]?\d+$/.test(over ?? "") && /^[1-9]\d*$/.test(under))
      return exactNano(Number(over) / Number(under));
    throw new Error(`failed to parse ${value} as a rational number`);
  }
  const exponent = Number(match[4] ?? 0);
  if (exponent === 0 && fraction.replace(/0+$/, "").length > 9) throw new Error("value is too precise");
  return exactNano(Number(`${match[1] ?? ""}${whole || "0"}.${fraction || "0"}e${exponent}`));
}

const exactNano = (cpus: number): number => Math.round(cpus * 1e9);

export function checkMemorySwap(value: string): void {
  parseMemorySwap(value);
}

/** Bytes, or -1 for no limit. */
export const parseMemorySwap = (value: string): number => (value === "-1" ? -1 : parseBytes(value));

/** `all`, a number, or `device=...,count=...,capabilities=...,driver=...`. */
export function checkGpus(value: string): void {
  for (const field of parseCsvLine(value)) {
    const [name = "", rest] = field.split(/=(.*)/s, 2);
    if (rest === undefined) {
      if (name !== "all" && !/^[+-]?\d+$/.test(name))
        throw new Error(`invalid count (${name}): value must be either "all" or an integer: invalid syntax`);
    } else if (!/^(driver|count|device|capabilities|options)$/.test(name))
      throw new Error(`unexpected key '${name}' in '${field}'`);
  }
}
