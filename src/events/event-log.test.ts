import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineCaller } from "../spec/caller.ts";
import { openStore } from "../store/open.ts";
import type { EngineEvent, EventInput } from "./bus.ts";
import { openEventLog } from "./event-log.ts";

let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "berth-events-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const input = (action: string): EventInput => ({
  type: "container",
  action,
  id: "c1",
  attributes: { name: "web" },
  caller: { via: "unix", uid: 7 },
});

test("publish() reaches subscribers at once, in order, until they leave", () => {
  using store = openStore(join(dir, "e.db"), "normal");
  using log = openEventLog({ db: store.db });
  const seen: EngineEvent[] = [];
  const leave = log.subscribe((event) => void seen.push(event));
  log.publish(input("create"));
  log.publish(input("start"));
  expect(log.listeners).toBe(1);
  leave();
  log.publish(input("die"));
  expect(seen.map(({ action, sequence }) => [action, sequence])).toEqual([
    ["create", 1],
    ["start", 2],
  ]);
  expect(log.listeners).toBe(0);
});

test("a listener that throws hurts neither the publisher nor other listeners", () => {
  using store = openStore(join(dir, "e.db"), "normal");
  const failures: unknown[] = [];
  using log = openEventLog({ db: store.db, failed: (error) => void failures.push(error) });
  let reached = 0;
  log.subscribe(() => {
    throw new Error("bad face");
  });
  log.subscribe(() => void reached++);
  expect(() => log.publish(input("create"))).not.toThrow();
  expect([reached, failures.length]).toEqual([1, 1]);
});

test("history() gives events from a time on, with their caller, over a restart; the sequence goes on", () => {
  const path = join(dir, "e.db");
  {
    using store = openStore(path, "normal");
    using log = openEventLog({ db: store.db });
    log.publish(input("create"));
    log.publish(input("start"));
  }
  using store = openStore(path, "normal");
  using log = openEventLog({ db: store.db, unclean: store.unclean });
  log.publish({ ...input("die"), caller: engineCaller });
  const all = log.history(0n);
  expect(all.map(({ action, sequence }) => [action, sequence])).toEqual([
    ["create", 1],
    ["start", 2],
    ["die", 3],
  ]);
  expect(all[0]?.caller).toEqual({ via: "unix", uid: 7 });
  expect(log.history(all[1]?.timeNs ?? 0n).map(({ action }) => action)).toEqual(["start", "die"]);
});

test("times keep their nanoseconds", () => {
  using store = openStore(join(dir, "e.db"), "normal");
  using log = openEventLog({ db: store.db });
  let live = 0n;
  log.subscribe((event) => void (live = event.timeNs));
  log.publish(input("create"));
  expect(log.history(0n)[0]?.timeNs).toBe(live);
});

test("only the newest `keep` events stay", async () => {
  using store = openStore(join(dir, "e.db"), "normal");
  using log = openEventLog({ db: store.db, keep: 5 });
  for (let n = 0; n < 12; n++) log.publish(input(`a${n}`));
  await new Promise((resolve) => setImmediate(resolve));
  log.publish(input("last"));
  expect(log.history(0n).map(({ action }) => action)).toEqual(["a8", "a9", "a10", "a11", "last"]);
});

test("after a kill, no number that was given is given again", async () => {
  const path = join(dir, "e.db");
  const from = (file: string) => JSON.stringify(join(import.meta.dir, file));
  const program = `import { openStore } from ${from("../store/open.ts")}; import { openEventLog } from ${from("event-log.ts")};
    const store = openStore(${JSON.stringify(path)}, "normal"); const log = openEventLog({ db: store.db });
    const input = ${JSON.stringify(input("x"))};
    for (let n = 0; n < 3; n++) log.publish(input);
    await new Promise((resolve) => setImmediate(resolve));
    for (let n = 0; n < 50; n++) log.publish(input);
    process.kill(process.pid, "SIGKILL");`;
  const child = Bun.spawn([process.execPath, "-e", program], { stderr: "inherit" });
  await child.exited;
  using store = openStore(path, "normal");
  using log = openEventLog({ db: store.db, unclean: store.unclean });
  expect(log.history(0n)).toHaveLength(3);
  log.publish(input("after"));
  expect(log.history(0n).at(-1)?.sequence).toBeGreaterThan(53);
  expect(log.history(0n)).toHaveLength(4); // the jump of the sequence costs no history
});

test("a disk that refuses is told, and publishing goes on", async () => {
  const store = openStore(join(dir, "e.db"), "normal");
  const failures: unknown[] = [];
  const log = openEventLog({ db: store.db, failed: (error) => void failures.push(error) });
  store.close();
  expect(() => log.publish(input("create"))).not.toThrow();
  await new Promise((resolve) => setImmediate(resolve));
  expect(failures).toHaveLength(1);
});
