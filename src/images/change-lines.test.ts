import { expect, test } from "bun:test";
import type { OciRunConfig } from "../spec/oci/image.ts";
import { applyChanges } from "./change-lines.ts";

test.each<[string[], OciRunConfig]>([
  [['CMD ["sh", "-c", "x"]'], { Cmd: ["sh", "-c", "x"] }],
  [["cmd echo $HOME"], { Cmd: ["/bin/sh", "-c", "echo $HOME"] }],
  [['ENTRYPOINT ["/init"]'], { Entrypoint: ["/init"], Cmd: null }],
  [['ENV A=1 B=\'two words\' C="x \\"y\\""', "ENV A=3"], { Env: ["A=3", "B=two words", 'C=x "y"'] }],
  [["ENV OLD the old form"], { Env: ["OLD=the old form"] }],
  [
    ["EXPOSE 80 443/tcp 53/udp 8000-8001"],
    { ExposedPorts: { "80/tcp": {}, "443/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {} } },
  ],
  [['LABEL a=b c="d e"'], { Labels: { a: "b", c: "d e" } }],
  [
    ["USER 1000:1000", "WORKDIR /a", "WORKDIR b/../c", "STOPSIGNAL SIGTERM"],
    { User: "1000:1000", WorkingDir: "/a/c", StopSignal: "SIGTERM" },
  ],
  [['VOLUME ["/a", "/b c"]', "VOLUME /d /e"], { Volumes: { "/a": {}, "/b c": {}, "/d": {}, "/e": {} } }],
  [["ONBUILD RUN make", "ONBUILD COPY . /"], { OnBuild: ["RUN make", "COPY . /"] }],
  [
    ["HEALTHCHECK --interval=5s --retries=2 CMD curl -f x"],
    { Healthcheck: { Interval: 5e9, Retries: 2, Test: ["CMD-SHELL", "curl -f x"] } },
  ],
  [["HEALTHCHECK NONE"], { Healthcheck: { Test: ["NONE"] } }],
  [["# nothing", "", "CMD a \\\n  b"], { Cmd: ["/bin/sh", "-c", "a   b"] }],
])("applyChanges(%p)", (lines, expected) => {
  expect(applyChanges({}, lines)).toEqual(expected);
});

test.each([
  ["RUN rm -rf /", "run is not a valid change command"],
  ["EXPOSE http", "invalid containerPort: http"],
  ["EXPOSE 70000", "invalid containerPort: 70000"],
  ["ENV A", "ENV must have two arguments"],
  ["LABEL a=b c", 'Syntax error - can\'t find = in "c"'],
  ["ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"],
  ["HEALTHCHECK --interval=never CMD x", 'time: invalid duration "never"'],
  ["USER", "USER requires at least one argument"],
])("applyChanges([%p]) is refused", (line, message) => {
  expect(() => applyChanges({}, [line])).toThrow(message);
});

test("a configuration that is inherited is changed in place, not replaced", () => {
  expect(
    applyChanges({ Env: ["PATH=/bin", "A=1"], Labels: { x: "y" }, Cmd: ["old"] }, ["ENV A=2", "LABEL z=1"]),
  ).toEqual({ Env: ["PATH=/bin", "A=2"], Labels: { x: "y", z: "1" }, Cmd: ["old"] });
});
