import { join } from "node:path";
import type { LogDriver, LogTarget } from "../driver.ts";
import { deliveryMode, type LogOptions, refuseUnknown, rotation } from "../options.ts";
import { readFramedRecords, readRecords } from "../read.ts";
import { RotatingFile } from "../rotating-file.ts";
import { StreamWriter } from "../stream-writer.ts";
import { encodeFrames, frames } from "./frames.ts";

const known = new Set(["max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag"]);
// moby parity: 5 files of 20 MB, compressed
const rotationOf = (options: LogOptions) =>
  rotation(options, { maxSizeBytes: 20_000_000, maxFiles: 5, compress: true });
const sourceOf = (target: LogTarget) => ({
  path: join(target.folder, "container.log"),
  maxFiles: rotationOf(target.options).maxFiles,
  format: frames,
});

/** A compact format of our own: exact bytes, compressed when rotated. */
export const local: LogDriver = {
  name: "local",

  validate(options) {
    refuseUnknown(options, known, "log driver local");
    deliveryMode(options);
    rotationOf(options);
  },

  async open(target) {
    const file = new RotatingFile(sourceOf(target).path, rotationOf(target.options), frames);
    await file.open();
    const attributes = Object.keys(target.attributes).length === 0 ? "" : JSON.stringify(target.attributes);
    return new StreamWriter(
      file,
      (pieces, stream, timeNs) => encodeFrames(pieces, stream, timeNs, attributes),
      deliveryMode(target.options),
    );
  },

  read: (target, query) => readRecords(sourceOf(target), query),
  readFramed: (target, query, framing) => readFramedRecords(sourceOf(target), query, framing),
};
