import { join } from "node:path";
import type { LogDriver, LogTarget } from "../driver.ts";
import { deliveryMode, type LogOptions, refuseUnknown, rotation } from "../options.ts";
import { readFramedRecords, readRecords } from "../read.ts";
import { RotatingFile } from "../rotating-file.ts";
import { StreamWriter } from "../stream-writer.ts";
import { encodeAttributes, encodeJsonLines, fixedTime } from "./encode.ts";
import { jsonLines } from "./decode.ts";

const known = new Set(["max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag"]);
/** Unlike Docker bounded from the start: 5 files of 20 MB. `max-size=-1` takes the bound away. */
const rotationOf = (options: LogOptions) =>
  rotation(options, { maxSizeBytes: 20_000_000, maxFiles: 5, compress: false });
const pathOf = (target: LogTarget): string => join(target.folder, `${target.containerId}-json.log`);

/** Docker's json-file format, read by countless tools, in a file per container. */
export const jsonFile: LogDriver = {
  name: "json-file",

  validate(options) {
    refuseUnknown(options, known, "json-file log driver");
    deliveryMode(options);
    rotationOf(options);
  },

  async open(target) {
    const file = new RotatingFile(pathOf(target), rotationOf(target.options), jsonLines);
    await file.open();
    const attributes = encodeAttributes(target.attributes);
    return new StreamWriter(
      file,
      (pieces, stream, timeNs) => {
        const time = fixedTime(timeNs);
        return Buffer.from(pieces.map((piece) => encodeJsonLines(piece, stream, time, attributes)).join(""));
      },
      deliveryMode(target.options),
    );
  },

  read: (target, query) =>
    readRecords({ path: pathOf(target), maxFiles: rotationOf(target.options).maxFiles, format: jsonLines }, query),
  readFramed: (target, query, framing) =>
    readFramedRecords(
      { path: pathOf(target), maxFiles: rotationOf(target.options).maxFiles, format: jsonLines },
      query,
      framing,
    ),
};
