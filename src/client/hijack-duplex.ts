import { Duplex } from "node:stream";
import type { Wire } from "./wire.ts";

/** A connection after its upgrade, as a stream. `end()` half-closes: the daemon's output goes on. */
export function hijackDuplex(wire: Wire): Duplex {
  return new Duplex({
    highWaterMark: 64 * 1024,
    // ending our side must not close the other (docker run without -i does so before the start)
    allowHalfOpen: true,
    async read() {
      const bytes = await wire.take();
      this.push(bytes);
    },
    async write(chunk: Uint8Array, _encoding, done) {
      await wire.write(chunk);
      done();
    },
    final(done) {
      wire.shutdown();
      done();
    },
    destroy(error, done) {
      wire.destroy();
      done(error);
    },
  });
}
