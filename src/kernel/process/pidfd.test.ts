import { expect, test } from "bun:test";
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SyscallError } from "../call.ts";
import { openIdentified, pidfdState, processIdentity, signalPidfd } from "./pidfd.ts";
import { listenUnix, receiveDescriptors, sendDescriptors } from "../socket.ts";
import { exitCodeOfStatus } from "./wait.ts";

test("an identity opens that process, not another one, and not a dead one", async () => {
  const child = Bun.spawn(["sleep", "600"]);
  const identity = processIdentity(child.pid);
  const pidfd = openIdentified(child.pid, identity);
  expect(pidfd).toBeNumber();
  expect(openIdentified(process.pid, identity)).toBeUndefined();
  expect(openIdentified(child.pid, "start:1")).toBeUndefined();
  expect(pidfdState(pidfd ?? -1)).toBe("alive");
  signalPidfd(pidfd ?? -1, 9);
  await child.exited;
  expect(pidfdState(pidfd ?? -1)).not.toBe("alive");
  expect(() => signalPidfd(pidfd ?? -1, 9)).toThrow(SyscallError);
  expect(openIdentified(child.pid, identity)).toBeUndefined();
  closeSync(pidfd ?? -1);
});

test("exit codes and signals come out of a wait status", () => {
  expect(exitCodeOfStatus(5888)).toBe(23);
  expect(exitCodeOfStatus(9)).toBe(137);
  expect(exitCodeOfStatus(0x80 | 11)).toBe(139); // with a core dump
});

test("descriptors wait in the backlog of a listener until they are taken", () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-fd-"));
  const listener = listenUnix(join(folder, "s"));
  try {
    expect(receiveDescriptors(listener)).toBeUndefined();
    writeFileSync(join(folder, "file"), "content");
    const fds = [openSync(join(folder, "file"), "r"), openSync("/dev/null", "r")];
    sendDescriptors(join(folder, "s"), "hello", fds);
    sendDescriptors(join(folder, "s"), "nothing", []);
    for (const fd of fds) closeSync(fd);
    const message = receiveDescriptors(listener);
    expect(message?.text).toBe("hello");
    expect(message?.fds.length).toBe(2);
    const bytes = Buffer.alloc(7);
    readSync(message?.fds[0] ?? -1, bytes);
    expect(bytes.toString()).toBe("content");
    expect(fstatSync(message?.fds[1] ?? -1).isCharacterDevice()).toBe(true);
    for (const fd of message?.fds ?? []) closeSync(fd);
    expect(receiveDescriptors(listener)).toEqual({ text: "nothing", fds: [] });
    expect(() => sendDescriptors(join(folder, "nobody"), "x", [])).toThrow("ENOENT");
    expect(() => listenUnix(join(folder, "x".repeat(200)))).toThrow("ENAMETOOLONG");
  } finally {
    closeSync(listener);
    rmSync(folder, { recursive: true });
  }
});
