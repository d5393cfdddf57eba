import { SyntaxFault } from "./dockerfile-error.ts";
import { parseGoDuration } from "../../base/go-duration.ts";
import { readFlags } from "./flags.ts";
import type { Healthcheck } from "./instructions.ts";
import type { Written } from "./written.ts";
import { jsonWords } from "./words.ts";

const minimumNs = 1_000_000; // moby parity: container.MinimumDuration

/** HEALTHCHECK [flags] CMD ..., or NONE. */
export function parseHealthcheck({ flags, rest }: Written): Healthcheck {
  const found = /^(\S+)\s*([^]*)$/u.exec(rest);
  if (!found) throw new SyntaxFault("HEALTHCHECK requires at least one argument");
  const type = (found[1] ?? "").toUpperCase();
  const command = found[2] ?? "";
  if (type === "NONE") {
    readFlags(flags, {});
    if (command !== "") throw new SyntaxFault("HEALTHCHECK NONE takes no arguments");
    return { test: ["NONE"], intervalNs: 0, timeoutNs: 0, startPeriodNs: 0, startIntervalNs: 0, retries: 0 };
  }
  if (type !== "CMD") throw new SyntaxFault(`Unknown type ${JSON.stringify(found[1])} in HEALTHCHECK (try CMD)`);
  const { text } = readFlags(flags, {
    interval: "text",
    timeout: "text",
    "start-period": "text",
    "start-interval": "text",
    retries: "text",
  });
  const exec = jsonWords(command);
  if (command === "" || exec?.length === 0) throw new SyntaxFault("Missing command after HEALTHCHECK CMD");
  const retries = text("retries");
  if (retries !== "" && !/^[+-]?\d+$/.test(retries))
    throw new SyntaxFault(`invalid value ${JSON.stringify(retries)} for --retries: it is a number`);
  if (Number(retries) < 0) throw new SyntaxFault(`--retries cannot be negative (${Number(retries)})`);
  return {
    test: exec ? ["CMD", ...exec] : ["CMD-SHELL", command],
    intervalNs: duration("interval", text("interval")),
    timeoutNs: duration("timeout", text("timeout")),
    startPeriodNs: duration("start-period", text("start-period")),
    startIntervalNs: duration("start-interval", text("start-interval")),
    retries: Number(retries),
  };
}

function duration(name: string, text: string): number {
  if (text === "") return 0;
  const ns = parseGoDuration(text);
  if (ns === undefined || Number.isNaN(Number(ns)))
    throw new SyntaxFault(`invalid duration ${JSON.stringify(text)} for --${name}: write it as 30s, 1m30s or 1h`);
  if (Number(ns) !== 0 && Number(ns) < minimumNs)
    throw new SyntaxFault(`Interval ${JSON.stringify(name)} cannot be less than 1ms`);
  return Number(ns);
}
