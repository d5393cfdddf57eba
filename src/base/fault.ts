/**
 * Named points between two external steps, at which a test can kill or fail the process. The environment variable
 * BERTH_FAULT holds `point=kill` or `point=fail`, comma separated; a release build defines BERTH_FAULT_POINTS as
 * "off", and the bundler then drops every call's body.
 */
export function fault(point: string): void {
  if (process.env["BERTH_FAULT_POINTS"] === "off") return;
  const wanted = process.env["BERTH_FAULT"];
  if (!wanted) return;
  for (const entry of wanted.split(",")) {
    const [name, action] = entry.split("=");
    if (name !== point) continue;
    if (action === "kill") process.kill(process.pid, "SIGKILL");
    throw new Error(`fault injected at ${point}`);
  }
}
