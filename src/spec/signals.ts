import { EngineError } from "../base/errors.ts";

/** Signals by name, without `SIG`. Linux on x86-64, arm64, riscv64; asm-generic/signal.h. */
export const signalNumbers: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  IOT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  POLL: 29,
  PWR: 30,
  SYS: 31,
  UNUSED: 31,
};

// glibc keeps 32 and 33 to itself, so what programs call RTMIN is 34
const realtimeFirst = 34;
const realtimeLast = 64;

/**
 * The number of a signal given as `TERM`, `SIGTERM`, `sigterm`, `15` or `RTMIN+3`, `RTMAX-2`. Throws
 * `invalid signal: x`, Docker's text.
 */
export function parseSignal(text: string): number {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : named(text.toUpperCase().replace(/^SIG/, ""));
  if (number === undefined || number < 1 || number > realtimeLast) {
    throw new EngineError("invalid", `invalid signal: ${text}`, { signal: text });
  }
  return number;
}

function named(name: string): number | undefined {
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (!realtime) return Object.hasOwn(signalNumbers, name) ? signalNumbers[name] : undefined;
  const [, from, sign, digits] = realtime;
  const distance = Number(digits ?? 0);
  // only towards the other end: RTMIN-1 and RTMAX+1 are no real-time signals
  if (sign === (from === "MIN" ? "-" : "+")) return undefined;
  const number = from === "MIN" ? realtimeFirst + distance : realtimeLast - distance;
  return number >= realtimeFirst && number <= realtimeLast ? number : undefined;
}
