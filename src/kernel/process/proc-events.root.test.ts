import { expect, test } from "bun:test";
import { ProcEvents } from "./proc-events.ts";

test("the ends of processes are told with their codes and signals, whoever's children they are", async () => {
  const events = ProcEvents.open();
  if (!events) throw new Error("this kernel has no proc connector");
  try {
    // a grandchild, which is not ours
    const parent = Bun.spawn(["sh", "-c", "sh -c 'exit 23' & echo $!; wait; sh -c 'kill -9 $$' & echo $!; wait"]);
    const [code, killed] = (await new Response(parent.stdout).text()).trim().split("\n").map(Number);
    await parent.exited;
    const exits = new Map(events.exits().map(({ pid, exitCode }) => [pid, exitCode]));
    expect(exits.get(code ?? 0)).toBe(23);
    expect(exits.get(killed ?? 0)).toBe(137);
    expect(exits.get(parent.pid)).toBe(0);
    expect(events.exits().filter(({ pid }) => pid === parent.pid)).toEqual([]);
  } finally {
    events.close();
  }
});
