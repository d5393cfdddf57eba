import { address, check, cstring, symbols } from "../call.ts";

const libc = symbols({
  prctl: { args: ["int", "u64", "u64", "u64", "u64"], returns: "int" },
});

/** Makes this process the parent of orphans below it. Kept over execve, not inherited by children. prctl(2) */
export function becomeSubreaper(): void {
  check("prctl PR_SET_CHILD_SUBREAPER", () => libc.prctl(36, 1n, 0n, 0n, 0n));
}

/** The name in /proc/PID/comm, cut to 15 bytes by the kernel. */
export function nameProcess(name: string): void {
  const text = cstring(name);
  check("prctl PR_SET_NAME", () => libc.prctl(15, address(text), 0n, 0n, 0n));
}
