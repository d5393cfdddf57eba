import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { TestRegistry } from "../../src/images/travel/registry-fixture.ts";
import { tarOf } from "../../src/snapshots/apply/tar-fixture.ts";
import { startDaemon } from "../harness/daemon.ts";

const mebibyte = 1024 * 1024;

test("a large layer is never in memory: the daemon's peak stays under 200 MB", async () => {
  await using registry = new TestRegistry();
  await using daemon = await startDaemon();
  const block = Buffer.concat(
    Array.from({ length: mebibyte / 64 }, (_, index) => createHash("sha512").update(String(index)).digest()),
  );
  // 220 MB of which gzip makes little less: more than any buffer would hide
  const content = Buffer.concat(
    Array.from({ length: 110 }, (_, index) => Buffer.concat([block.subarray(index), block])),
  );
  registry.image("big:1", [tarOf({ name: "big", content })], {
    pack: (bytes) => Buffer.from(Bun.gzipSync(new Uint8Array(bytes), { level: 1, library: "libdeflate" })),
  });
  await daemon.ok("pull", "-q", `${registry.host}/big:1`);
  const status = await readFile(`/proc/${daemon.pid()}/status`, "utf8");
  const peakBytes = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  expect(peakBytes).toBeLessThan(200 * mebibyte);
  await daemon.ok("rmi", `${registry.host}/big:1`);
}, 60_000);
