import { openSync, readlinkSync, writeFileSync } from "node:fs";

/** Lines of a map: first id inside the namespace, first id outside, how many. */
export type IdLines = readonly (readonly [inside: number, outside: number, count: number])[];

/**
 * A user namespace with these maps, as a descriptor that the caller closes. A process with several threads cannot make
 * one for itself: unshare(1) makes it, and ends when we have it. user_namespaces(7)
 */
export async function openUserNamespace(uids: IdLines, gids: IdLines): Promise<number> {
  const child = Bun.spawn(["/usr/bin/unshare", "--user", "--", "/bin/sh", "-c", "echo; read _"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: {},
    cwd: "/",
    timeout: 10_000,
  });
  try {
    const { done } = await child.stdout.getReader().read(); // its line: it is in the new namespace
    if (done) throw new Error(`no user namespace can be made: ${(await new Response(child.stderr).text()).trim()}`);
    const text = (lines: IdLines): string => lines.map((line) => `${line.join(" ")}\n`).join("");
    writeFileSync(`/proc/${child.pid}/uid_map`, text(uids));
    writeFileSync(`/proc/${child.pid}/gid_map`, text(gids));
    const path = `/proc/${child.pid}/ns/user`;
    if (readlinkSync(path) === readlinkSync("/proc/self/ns/user")) throw new Error("the user namespace is our own");
    return openSync(path, "r");
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}
