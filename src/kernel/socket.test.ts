import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { listenUnix, receiveDescriptors, sendDescriptors } from "./socket.ts";

test("descriptors are received with their message; a sender that connected and said nothing is no failure", async () => {
  const folder = mkdtempSync("/tmp/berth-socket-");
  const path = join(folder, "s");
  const listener = listenUnix(path);
  try {
    expect(receiveDescriptors(listener)).toBeUndefined();
    const silent = net.connect(path);
    await new Promise((resolve) => silent.once("connect", resolve));
    const startedAt = performance.now();
    expect(receiveDescriptors(listener)).toBeUndefined();
    expect(performance.now() - startedAt).toBeLessThan(2000);
    silent.destroy();
    const file = openSync(folder, "r");
    sendDescriptors(path, "hello", [file]);
    closeSync(file);
    const received = receiveDescriptors(listener);
    expect([received?.text, received?.fds.length]).toEqual(["hello", 1]);
    for (const fd of received?.fds ?? []) closeSync(fd);
  } finally {
    closeSync(listener);
    rmSync(folder, { recursive: true });
  }
});
