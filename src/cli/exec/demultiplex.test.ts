import { expect, test } from "bun:test";
import fc from "fast-check";
import { Demultiplexer } from "./demultiplex.ts";

function frame(kind: number, payload: string): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header[0] = kind;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

const read = (chunks: readonly Uint8Array[]): Record<number, string> => {
  const frames = new Demultiplexer();
  const texts: Record<number, string> = {};
  for (const chunk of chunks)
    for (const { kind, bytes } of frames.push(chunk)) texts[kind] = (texts[kind] ?? "") + Buffer.from(bytes).toString();
  return texts;
};

test("frames come apart however the bytes are cut", () => {
  const payload = fc.tuple(fc.constantFrom(1, 2), fc.string({ unit: "grapheme-ascii", maxLength: 40 }));
  fc.assert(
    fc.property(fc.array(payload, { maxLength: 20 }), fc.integer({ min: 1, max: 50 }), (frames, size) => {
      const bytes = Buffer.concat(frames.map(([kind, text]) => frame(kind, text)));
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        Buffer.from(bytes.subarray(i * size, (i + 1) * size)),
      );
      const expected: Record<number, string> = {};
      for (const [kind, text] of frames) if (text !== "") expected[kind] = (expected[kind] ?? "") + text;
      expect(read(chunks)).toEqual(expected);
    }),
  );
});

test("neighbours of one kind come out as one piece, kinds in their order", () => {
  const pieces = new Demultiplexer().push(Buffer.concat([frame(1, "a"), frame(1, "b"), frame(2, "c"), frame(1, "d")]));
  expect(pieces.map(({ kind, bytes }) => [kind, Buffer.from(bytes).toString()])).toEqual([
    [1, "ab"],
    [2, "c"],
    [1, "d"],
  ]);
});

test("what is no frame is refused", () => {
  expect(() => new Demultiplexer().push(Buffer.from("plain text of a terminal"))).toThrow("Unrecognized input header");
});
