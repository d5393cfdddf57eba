import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { check, symbols } from "./call.ts";

const libc = symbols({ eventfd: { args: ["u32", "int"], returns: "int" } });

const closeOnExec = 0o2000000; // EFD_CLOEXEC
const nonBlocking = 0o4000; // EFD_NONBLOCK

/** A counter that the kernel raises, eventfd(2). The caller closes it. */
export function makeEventfd(): number {
  return check("eventfd", () => libc.eventfd(0, closeOnExec | nonBlocking));
}

/**
 * Has the kernel raise an eventfd when a cgroup v1 runs out of memory, and once more when the cgroup is removed.
 * Nothing is to be undone: it ends with the cgroup or with the descriptor.
 */
export function watchOom(cgroup: string, eventfd: number): void {
  const control = openSync(join(cgroup, "memory.oom_control"), "r");
  try {
    writeFileSync(join(cgroup, "cgroup.event_control"), `${eventfd} ${control}`);
  } finally {
    closeSync(control); // the kernel has its own reference to what it means
  }
}
