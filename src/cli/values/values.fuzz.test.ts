import { expect, test } from "bun:test";
import fc from "fast-check";
import { EngineError } from "../../base/errors.ts";
import { parseBytes } from "./bytes.ts";
import { parseCsvLine } from "./csv.ts";
import { checkDeviceCgroupRule, parseDevice } from "./device.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { parseFilters } from "./filter.ts";
import { parseLabels } from "./label.ts";
import { parseMount } from "./mount.ts";
import { parseNetwork } from "./network.ts";
import { parseExposed, parsePortSpecs } from "./port.ts";
import { parseShortReference } from "./reference.ts";
import { parseRestartPolicy } from "./restart.ts";
import { parseThrottleBps, parseThrottleIops, parseWeightDevice } from "./throttle.ts";
import { parseTimestamp } from "./timestamp.ts";
import { parseUlimit } from "./ulimit.ts";

const parsers: Readonly<Record<string, (text: string) => unknown>> = {
  bytes: parseBytes,
  csv: parseCsvLine,
  device: parseDevice,
  deviceRule: checkDeviceCgroupRule,
  duration: parseDuration,
  exposed: parseExposed,
  filter: (text) => parseFilters([text]),
  label: (text) => parseLabels([text]),
  mount: parseMount,
  network: parseNetwork,
  port: (text) => parsePortSpecs([text]),
  reference: parseShortReference,
  restart: parseRestartPolicy,
  throttleBps: parseThrottleBps,
  throttleIops: parseThrottleIops,
  timestamp: parseTimestamp,
  ulimit: parseUlimit,
  weight: parseWeightDevice,
};
const near = fc
  .array(
    fc.constantFrom(
      ...'type= src=/a dst=/b , : - / [ ] = . 80 8080 65536 tcp udp /dev/sda nofile on-failure 1 0 k m gb ib s ms h µs name= alias= ip= readonly volume-opt= " @ sha256: a B _ % 1e400 -1 2026-01-01 T10:00 Z +'.split(
        " ",
      ),
      " ",
    ),
    { maxLength: 9 },
  )
  .map((parts) => parts.join(""));

for (const [name, parse] of Object.entries(parsers)) {
  test(`random text for ${name} is read or refused with a message, never anything else`, () => {
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ maxLength: 40, unit: "binary" })), (text) => {
        try {
          parse(text);
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          expect(error.message).not.toBe("");
        }
      }),
      { numRuns: 1000 },
    );
  });
}

test("a duration printed and read again is the same", () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 50), max: 2 ** 50 }), (ns) => {
      expect(parseDuration(formatDuration(ns))).toBe(ns);
    }),
  );
});

test("quoted fields of a CSV line come back as they were", () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 5 }), (fields) => {
      expect(parseCsvLine(fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(","))).toEqual(fields);
    }),
  );
});

test("a published port is always bound to what is exposed", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 65_000 }), fc.integer({ min: 0, max: 50 }), (start, more) => {
      const { exposed, bindings } = parsePortSpecs([`${start}-${start + more}:${start}-${start + more}`]);
      expect(Object.keys(exposed).length).toBe(more + 1);
      expect(Object.keys(bindings)).toEqual(Object.keys(exposed));
    }),
  );
});
