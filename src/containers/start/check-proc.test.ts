import { expect, test } from "bun:test";
import type { Mount } from "../../kernel/mount.ts";
import { badProcMount } from "./check-proc.ts";

const row = (target: string, type: string, root: string, options = "rw"): Mount => ({
  id: 1,
  parentId: 0,
  device: "0:1",
  root,
  target,
  options,
  sharedGroup: 0,
  type,
  source: type,
  superOptions: "rw",
});
const proc = row("/proc", "proc", "/");
const masks = ["/proc/keys", "/proc/acpi"];

test("what runtimes mount over /proc by themselves passes", () => {
  const usual = [
    row("/proc/sys", "proc", "/sys", "ro"),
    row("/proc/keys", "devtmpfs", "/null"),
    row("/proc/acpi", "tmpfs", "/", "ro,relatime"),
    row("/proc/meminfo", "fuse.lxcfs", "/proc/meminfo"),
  ];
  expect(badProcMount([proc, ...usual], masks)).toBeUndefined();
});

test.each([
  ["nothing", []],
  ["no procfs", [row("/proc", "tmpfs", "/")]],
  ["something over it", [proc, row("/proc", "ext4", "/x")]],
  ["a part of it as all of it", [row("/proc", "proc", "/sys")]],
  ["a volume over a part", [proc, row("/proc/sys", "ext4", "/x")]],
  ["another part than the one it hides (CVE-2025-31133)", [proc, row("/proc/keys", "proc", "/sysrq-trigger")]],
  ["a mask that can be written to", [proc, row("/proc/acpi", "tmpfs", "/", "rw")]],
  ["a mask that is another file", [proc, row("/proc/keys", "devtmpfs", "/vda")]],
  ["a mask where none belongs", [proc, row("/proc/self/attr", "tmpfs", "/", "ro")]],
])("%s does not", (_what, found) => {
  expect(badProcMount(found, masks)).toStartWith("/proc");
});
