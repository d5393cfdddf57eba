import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { until } from "../../../test/harness/run.ts";
import { testBlob } from "../fixtures/bytes.ts";
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
