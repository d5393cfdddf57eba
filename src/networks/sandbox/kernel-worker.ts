import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import type { Command, Failure, Reply, Request } from "./commands.ts";
import { stopForgetting } from "./forget-flows.ts";
import { bridgeDown, bridgeUp, survey, sweep } from "./host-links.ts";
import { openHostSockets } from "./host.ts";
import { changeSandbox, closeSandbox, linksOf, openSandbox, SysctlError } from "./open-sandbox.ts";
import { findHolder } from "./port-holder.ts";
import { holdPorts, PortTakenError, releaseAllPorts } from "./port-holds.ts";
import { closeSpares, refillSoon } from "./spare-netns.ts";
import { parentDown, parentUp } from "./parent-links.ts";
import { changePublished, rulesInstalled, rulesWriting, unwatchRules, watchRules } from "./watch-rules.ts";

// The one thread of the engine that changes network namespaces. Only synchronous code; one command at a time.

declare const self: Worker;

const host = openHostSockets();
refillSoon();
const post = (reply: Reply): void => self.postMessage(reply);

function run(command: Command): unknown {
  switch (command.op) {
    case "open":
      return openSandbox(host, command.sandbox);
    case "close":
      return closeSandbox(host, command.path, command.publish);
    case "change":
      return changeSandbox(host, command.change);
    case "hold":
      return holdPorts(command.publish.holds);
    case "bridge-up":
      return bridgeUp(host, command.bridge);
    case "bridge-down":
      return bridgeDown(host, command.name);
    case "parent-up":
      return parentUp(host, command.parent);
    case "parent-down":
      return parentDown(host, command.parent, command.stillUsed);
    case "links":
      return linksOf(command.path);
    case "survey":
      return survey(host);
    case "sweep":
      return sweep(host, command.directory, command.keep, command.bridges);
    case "holder":
      return findHolder(command.port);
    case "watch":
      return watchRules(host, command, () => post({ event: "rules-lost" }));
    case "elements":
      return changePublished(host, command.table, command);
    case "end":
      return end();
    case "writing":
      return rulesWriting(command.on);
    case "installed":
      return rulesInstalled(host, command.table);
  }
}

/** Descriptors are the process's, not the thread's: they would outlive it. */
function end(): void {
  unwatchRules();
  stopForgetting();
  closeSpares();
  releaseAllPorts();
  host.route[Symbol.dispose]();
  host.netfilter[Symbol.dispose]();
}

function failureOf(error: unknown): Failure {
  // What failed first matters; what failed while undoing is added by the runtime as a SuppressedError.
  const first = error instanceof SuppressedError ? error.suppressed : error;
  if (first instanceof PortTakenError) return { message: first.message, code: first.code, hold: first.hold };
  if (first instanceof SysctlError) return { message: first.message, code: "sysctl" };
  if (first instanceof EngineError) return { message: first.message, code: "", kind: first.kind };
  if (first instanceof SyscallError) return { message: first.message, code: first.code };
  return { message: first instanceof Error ? first.message : String(first), code: "" };
}

self.onmessage = (event: MessageEvent<Request>): void => {
  const { id, command, faults } = event.data;
  // Tests set fault points after this thread was born; its environment is a copy.
  if (faults === "") delete process.env["BERTH_FAULT"];
  else process.env["BERTH_FAULT"] = faults;
  try {
    post({ id, value: run(command) });
  } catch (error) {
    post({ id, failure: failureOf(error) });
  }
};
