import { join } from "node:path";

/** The command that starts this program again in another role: the built binary, or Bun with the source's entry. */
export function selfCommand(): string[] {
  const built = import.meta.path.startsWith("/$bunfs/");
  return built ? [process.execPath] : [process.execPath, join(import.meta.dir, "../main.ts")];
}
