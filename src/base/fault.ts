import { readFileSync, unlinkSync } from "node:fs";

/**
 * Named points between two external steps, at which a test can kill, stop or fail the process. The environment
 * variable BERTH_FAULT holds `point=kill`, `point=stop` (SIGSTOP: the test decides who dies and who goes on) or
 * `point=fail`, comma separated; BERTH_FAULT_FILE names a file with one such entry, which is taken away by the process
 * that comes to it first, so that a running engine can be armed. A release build defines BERTH_FAULT_POINTS as "off",
 * and the bundler then drops every call's body.
 */
export function fault(point: string): void {
  if (process.env["BERTH_FAULT_POINTS"] === "off") return;
  const armed = process.env["BERTH_FAULT_FILE"];
  if (armed !== undefined) takeFile(armed, point);
  const wanted = process.env["BERTH_FAULT"];
  if (!wanted) return;
  for (const entry of wanted.split(",")) {
    const [name, action] = entry.split("=");
    if (name === point) act(point, action);
  }
}

function takeFile(file: string, point: string): void {
  let entry: string;
  try {
    entry = readFileSync(file, "utf8");
    if (entry.split("=")[0] !== point) return;
    unlinkSync(file);
  } catch {
    return; // nothing is armed, or another process was faster
  }
  act(point, entry.trim().split("=")[1]);
}

function act(point: string, action: string | undefined): void {
  if (action === "kill") process.kill(process.pid, "SIGKILL");
  if (action === "stop") {
    process.kill(process.pid, "SIGSTOP");
    return;
  }
  throw new Error(`fault injected at ${point}`);
}
