import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { until } from "../../../test/harness/run.ts";
import { opener, testBlob } from "../fixtures/bytes.ts";
import { named, testRegistries } from "../fixtures/registry-settings.ts";
import { refuse, scriptedServer } from "../fixtures/scripted-server.ts";

const size = 600_000;
const { bytes, descriptor } = testBlob(size, 60);

/** Numbers from 0 to 1, the same for the same seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A server that errs in every way a server can, and now and then does not. */
function unreliable(next: () => number, content: Uint8Array) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const offset = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const cutAt = Math.floor(offset + next() * (size - offset));
    const ranged = (from: number, to: number): Record<string, string> => ({
      "Content-Range": `bytes ${from}-${to - 1}/${size}`,
    });
    switch (Math.floor(next() * 9)) {
      case 0:
        return void response.destroy();
      case 1:
        return refuse(response, 503, "UNAVAILABLE");
      case 2:
        return refuse(response, 429, "TOOMANYREQUESTS", { "Retry-After": "0" });
      case 3: // all of it, whatever was asked for
        response.writeHead(200, { "Content-Length": size });
        return void response.end(content);
      case 4: // a part, and then silence
        response.writeHead(206, { ...ranged(offset, size), "Content-Length": size - offset });
        return void response.write(content.subarray(offset, cutAt));
      case 5: // a shorter part than was asked for
        response.writeHead(206, ranged(offset, Math.max(cutAt, offset + 1)));
        return void response.end(content.subarray(offset, Math.max(cutAt, offset + 1)));
      case 6: // a part without a length, cut
        response.writeHead(206, ranged(offset, size));
        response.write(content.subarray(offset, cutAt));
        return void setTimeout(() => response.destroy(), 5);
      default:
        response.writeHead(206, { ...ranged(offset, size), "Content-Length": size - offset });
        response.write(content.subarray(offset, cutAt));
        return void setTimeout(() => response.destroy(), 5);
    }
  };
}

test("whatever a registry and a lying mirror do: all bytes are right, or it is an error; and nothing stays open", async () => {
  const openBefore = readdirSync("/proc/self/fd").length;
  let [whole, failed, restarts] = [0, 0, 0];
  for (let seed = 1; seed <= 25; seed++) {
    const next = numbers(seed * 7919);
    const wrong = bytes.slice();
    const spot = Math.floor(next() * size);
    wrong[spot] = (wrong[spot] ?? 0) ^ 1;
    await using upstream = await scriptedServer((request, response) =>
      request.url === "/v2/" ? void response.end() : unreliable(next, bytes)(request, response),
    );
    await using liar = await scriptedServer(unreliable(next, wrong));
    const registries = testRegistries({ stallMs: 60, mirrors: seed % 2 === 0 ? { "*": [liar.origin] } : {} });
    const got = Buffer.alloc(size);
    let length = 0;
    const restarted = (): void => {
      restarts++;
      length = 0;
    };
    try {
      for await (const piece of registries.repository(named(upstream.host)).blob(descriptor, { restarted })) {
        expect(length + piece.length).toBeLessThanOrEqual(size);
        got.set(piece, length);
        length += piece.length;
      }
      expect(length).toBe(size);
      expect(got.equals(bytes)).toBe(true);
      whole++;
    } catch (error) {
      expect(["unavailable", "invalid"]).toContain((error as { kind?: string }).kind ?? String(error));
      failed++;
    }
  }
  // both must have happened for this to mean something
  expect(whole).toBeGreaterThan(5);
  expect(failed + restarts).toBeGreaterThan(0);
  await until("the connections are closed", () => readdirSync("/proc/self/fd").length <= openBefore + 8);
}, 60_000);

test("whatever a registry does to an upload: what it stores is right, or it is an error", async () => {
  let [stored, failed] = [0, 0];
  for (let seed = 1; seed <= 25; seed++) {
    const next = numbers(seed * 104_729);
    let upload: Buffer | undefined;
    let blob: Buffer | undefined;
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const { method = "" } = request;
      const fault = Math.floor(next() * 12);
      if (request.url === "/v2/") return void response.end();
      if (fault === 0) return refuse(response, 502, "UNAVAILABLE", { Connection: "close" });
      if (fault === 1) return void response.destroy();
      if (fault === 2) upload = undefined; // it forgets
      if (method === "HEAD") return void response.writeHead(blob ? 200 : 404).end();
      if (method === "POST") upload = Buffer.alloc(0);
      if (upload === undefined) return refuse(response, 404, "BLOB_UPLOAD_UNKNOWN", { Connection: "close" });
      const from = Number(/^(\d+)-/.exec(request.headers["content-range"] ?? "")?.[1] ?? upload.length);
      if (from !== upload.length) return refuse(response, 416, "RANGE_INVALID", { Connection: "close" });
      const room = fault < 6 ? Math.floor(next() * size) : Number.POSITIVE_INFINITY;
      let came = 0;
      for await (const piece of request) {
        upload = Buffer.concat([upload, (piece as Buffer).subarray(0, room - came)]);
        came += (piece as Buffer).length;
        if (came >= room) return void response.destroy();
      }
      if (method === "PUT") blob = upload;
      if (fault === 6) return void response.destroy(); // it did as it was told, and the answer is lost
      const headers = { Location: "/v2/u/1", Range: `0-${Math.max(0, upload.length - 1)}` };
      response.writeHead(method === "POST" || method === "PATCH" ? 202 : method === "PUT" ? 201 : 204, headers).end();
    };
    await using server = await scriptedServer(answer, { raw: true });
    const repository = testRegistries({ stallMs: 500 }).repository(named(server.host));
    try {
      await repository.pushBlob(descriptor, opener(bytes));
      expect(blob?.equals(bytes)).toBe(true);
      stored++;
    } catch (error) {
      expect((error as { kind?: string }).kind ?? String(error)).toBe("unavailable");
      failed++;
    }
  }
  expect(stored).toBeGreaterThan(10);
  expect(stored + failed).toBe(25);
}, 60_000);
