import { buildInfo } from "../base/build-info.ts";

/** docker's form of `--version`, which scripts cut apart. */
export function versionLine(program: string): string {
  return `${program === "docker" ? "Docker" : "Berth"} version ${buildInfo.version}, build ${buildInfo.gitCommit}\n`;
}
