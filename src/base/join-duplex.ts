import { Duplex, type Readable, type Writable } from "node:stream";

/** One duplex of two streams, with back-pressure both ways: reads come from `readable`, writes go to `writable`. */
export function joinDuplex(readable: Readable, writable: Writable): Duplex {
  const joined = new Duplex({
    allowHalfOpen: true,
    read: () => void readable.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      if (writable.write(chunk)) done();
      else writable.once("drain", done);
    },
    final: (done) => void writable.end(done),
    destroy: (error, done) => {
      readable.destroy();
      writable.destroy();
      done(error);
    },
  });
  readable.on("data", (chunk: Buffer) => {
    if (!joined.push(chunk)) readable.pause();
  });
  readable.once("end", () => joined.push(null));
  readable.once("error", (error) => joined.destroy(error));
  writable.once("error", (error) => joined.destroy(error));
  return joined;
}
