import { readFileSync } from "node:fs";

/** What a runtime wrote to its pid file. Throws when that is no pid. */
export function readPid(file: string, name: string): number {
  let text = "";
  try {
    text = readFileSync(file, "utf8").trim();
  } catch {
    // said below
  }
  const pid = Number(text);
  if (!Number.isSafeInteger(pid) || pid <= 1) throw new Error(`the runtime ${name} wrote no pid to ${file}`);
  return pid;
}
