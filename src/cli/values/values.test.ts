import { expect, test } from "bun:test";
import { errorMessage } from "../../base/errors.ts";
import { parseBytes } from "./bytes.ts";
import { parseDevice } from "./device.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { parseFilters } from "./filter.ts";
import { checkLabel, parseLabels } from "./label.ts";
import { parseMount } from "./mount.ts";
import { endpointSettings, parseNetwork } from "./network.ts";
import { parseExposed, parsePortSpecs } from "./port.ts";
import { parseShortReference } from "./reference.ts";
import { parseRestartPolicy } from "./restart.ts";
import { parseThrottleBps, parseThrottleIops, parseWeightDevice } from "./throttle.ts";
import { parseTimestamp } from "./timestamp.ts";
import { parseUlimit } from "./ulimit.ts";

/** Each text and what docker 28.2 says of it (recorded). */
function refuses(parse: (text: string) => unknown, cases: readonly (readonly [text: string, message: string])[]): void {
  for (const [text, message] of cases) {
    let said = "accepted";
    try {
      parse(text);
    } catch (error) {
      said = errorMessage(error);
    }
    expect({ text, said }).toEqual({ text, said: message });
  }
}

test("parsePortSpecs() reads addresses, ranges, protocols and IPv6", () => {
  const { exposed, bindings } = parsePortSpecs([
    "80",
    "8080:80",
    "127.0.0.1:8081:81/UDP",
    "[::1]:82:82",
    "::1:83:83",
    "0.0.0.0::84",
    ":85",
    "9000-9001:90-91",
    "9100-9110:92",
    "93/sctp",
    "94/",
  ]);
  expect(bindings).toEqual({
    "80/tcp": [
      { HostIp: "", HostPort: "" },
      { HostIp: "", HostPort: "8080" },
    ],
    "81/udp": [{ HostIp: "127.0.0.1", HostPort: "8081" }],
    "82/tcp": [{ HostIp: "::1", HostPort: "82" }],
    "83/tcp": [{ HostIp: "::1", HostPort: "83" }],
    "84/tcp": [{ HostIp: "0.0.0.0", HostPort: "" }],
    "85/tcp": [{ HostIp: "", HostPort: "" }],
    "90/tcp": [{ HostIp: "", HostPort: "9000" }],
    "91/tcp": [{ HostIp: "", HostPort: "9001" }],
    "92/tcp": [{ HostIp: "", HostPort: "9100-9110" }],
    "93/sctp": [{ HostIp: "", HostPort: "" }],
    "94/tcp": [{ HostIp: "", HostPort: "" }],
  });
  expect(Object.keys(exposed)).toEqual(Object.keys(bindings));
});

test("parsePortSpecs() reads the long form", () => {
  expect(parsePortSpecs(["published=80,target=70,protocol=udp"]).bindings).toEqual({
    "70/udp": [{ HostIp: "", HostPort: "80" }],
  });
  refuses(
    (text) => parsePortSpecs([text]),
    [["published=80,target", "invalid publish opts format (should be name=value but got 'target')"]],
  );
});

test("parsePortSpecs() refuses in docker's words", () => {
  refuses(
    (text) => parsePortSpecs([text]),
    [
      ["a", "invalid containerPort: a"],
      ["80:a", "invalid containerPort: a"],
      ["99999", "invalid containerPort: 99999"],
      ["-80", "invalid containerPort: -80"],
      ["80-", "invalid containerPort: 80-"],
      ["abc:def", "invalid containerPort: def"],
      ["1.2.3:80:80", "invalid IP address: 1.2.3"],
      ["1:2:3:4", "invalid IP address: 1:2"],
      ["host:80:80", "invalid IP address: host"],
      ["80:80:80", "invalid IP address: 80"],
      ["fe80::1%eth0:80:80", "invalid IP address: fe80::1%eth0"],
      ["80-90:80-85", "invalid ranges specified for container and host Ports: 80-85 and 80-90"],
      ["80:80-81", "invalid ranges specified for container and host Ports: 80-81 and 80"],
      ["80:", "no port specified: 80:<empty>"],
      ["", "no port specified: <empty>"],
      ["/tcp", "no port specified: /tcp<empty>"],
      ["80:/tcp", "no port specified: 80:/tcp<empty>"],
      ["80/foo", "invalid proto: foo"],
      ["90-80:80", "invalid hostPort: 90-80"],
      ["0.0.0.0:80", "invalid hostPort: 0.0.0.0"],
      ["[::1]:80", "invalid IP address [:: address [::: missing ']' in address"],
      ["[::1]80:80", "invalid IP address [:: address [::: missing ']' in address"],
    ],
  );
});

test("parseExposed() gives every port of a range", () => {
  expect(parseExposed("80-82/udp")).toEqual(["80/udp", "81/udp", "82/udp"]);
  expect(parseExposed("80")).toEqual(["80/tcp"]);
  expect(() => parseExposed("80:80")).toThrow("invalid port format for --expose: 80:80");
  expect(() => parseExposed("x")).toThrow(
    'invalid range format for --expose: x, error: strconv.ParseUint: parsing "x": invalid syntax',
  );
});

test("parseMount() reads every key", () => {
  expect(
    parseMount(
      "type=bind,source=/a,target=/b,readonly,bind-propagation=rprivate,bind-recursive=readonly,consistency=Cached",
    ),
  ).toEqual({
    Type: "bind",
    Source: "/a",
    Target: "/b",
    ReadOnly: true,
    Consistency: "cached",
    BindOptions: { Propagation: "rprivate", ReadOnlyForceRecursive: true },
  });
  expect(
    parseMount(
      'dst=/b,src=v,volume-nocopy,volume-label=a=b,volume-label=c,volume-driver=nfs,"volume-opt=o=addr=1,rw",volume-subpath=x',
    ),
  ).toEqual({
    Type: "volume",
    Source: "v",
    Target: "/b",
    VolumeOptions: {
      NoCopy: true,
      Labels: { a: "b", c: "" },
      DriverConfig: { Name: "nfs", Options: { o: "addr=1,rw" } },
      Subpath: "x",
    },
  });
  expect(parseMount("TYPE=tmpfs,destination=/t,tmpfs-size=64m,tmpfs-mode=1777,ro=0")).toEqual({
    Type: "tmpfs",
    Target: "/t",
    ReadOnly: false,
    TmpfsOptions: { SizeBytes: 64 * 1024 * 1024, Mode: 0o1777 },
  });
  expect(parseMount("type=bind,src=.,dst=/x").Source).toBe(process.cwd());
});

test("parseMount() refuses in docker's words", () => {
  refuses(parseMount, [
    ["a", "invalid field 'a' must be a key=value pair"],
    ["type=volume,dst=/x,foo", "invalid field 'foo' must be a key=value pair"],
    ["", "EOF"],
    ["type=bind", "target is required"],
    ["type=", "type is required"],
    ["type=volume,dst=/x,readonly=foo", "invalid value for readonly: foo"],
    ["TYPE=volume,DST=/x,RO,volume-nocopy=x", "invalid value for volume-nocopy: x"],
    ["type=volume,dst=/x,foo=bar", "unexpected key 'foo' in 'foo=bar'"],
    [" type=bind", "unexpected key ' type' in ' type=bind'"],
    ["type=tmpfs,dst=/x,tmpfs-size=foo", "invalid value for tmpfs-size: foo"],
    ["type=tmpfs,dst=/x,tmpfs-mode=999", "invalid value for tmpfs-mode: 999"],
    ["type=tmpfs,dst=/x,tmpfs-mode=0o755", "invalid value for tmpfs-mode: 0o755"],
    ["type=volume,dst=/x,bind-propagation=shared", "cannot mix 'bind-*' options with mount type 'volume'"],
    ["type=bind,src=/tmp,dst=/x,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"],
    ["type=bind,src=/tmp,dst=/x,tmpfs-size=1", "cannot mix 'tmpfs-*' options with mount type 'bind'"],
    ["type=volume,dst=/x,image-subpath=a", "cannot mix 'image-*' options with mount type 'volume'"],
    [
      "type=bind,src=/tmp,dst=/x,bind-recursive=foo",
      'invalid value for bind-recursive: foo (must be "enabled", "disabled", "writable", or "readonly")',
    ],
    [
      "type=bind,src=/tmp,dst=/x,bind-recursive=readonly",
      "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction",
    ],
    [
      "type=bind,src=/tmp,dst=/x,ro,bind-recursive=readonly",
      "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
    ],
    ['type=bind,"src=/tmp,dst=/x', 'parse error on line 1, column 27: extraneous or missing " in quoted-field'],
  ]);
});

test("parseBytes() reads go-units' sizes", () => {
  const sizes: [string, number][] = [
    ["0", 0],
    ["1024", 1024],
    ["1k", 1024],
    ["1.5g", 1.5 * 1024 ** 3],
    ["5gib", 5 * 1024 ** 3],
    ["5GB", 5 * 1024 ** 3],
    ["5B", 5],
    ["5 k", 5 * 1024],
    ["1e3", 1000],
    [".5m", 512 * 1024],
    ["2T", 2 * 1024 ** 4],
    ["1.9", 1],
  ];
  for (const [text, bytes] of sizes) expect({ text, bytes: parseBytes(text) }).toEqual({ text, bytes });
  refuses(parseBytes, [
    ["-1", "invalid size: '-1'"],
    ["a", "invalid size: 'a'"],
    ["", "invalid size: ''"],
    ["1zb", "invalid suffix: 'zb'"],
    ["1mbb", "invalid suffix: 'mbb'"],
    [" 5", 'strconv.ParseFloat: parsing " 5": invalid syntax'],
    ["1m2", 'strconv.ParseFloat: parsing "1m2": invalid syntax'],
  ]);
});

test("parseDuration() reads Go's durations", () => {
  const durations: [string, number][] = [
    ["0", 0],
    ["1h1m", 3_660e9],
    ["1.5s", 1.5e9],
    ["-5s", -5e9],
    ["+5s", 5e9],
    ["300ms", 3e8],
    ["1µs", 1000],
    ["1us", 1000],
    ["7ns", 7],
    ["0.1s", 1e8],
    [".5s", 5e8],
    ["1.s", 1e9],
    ["2h45m30.5s", 9_930.5e9],
  ];
  for (const [text, ns] of durations) expect({ text, ns: parseDuration(text) }).toEqual({ text, ns });
  refuses(parseDuration, [
    ["a", 'time: invalid duration "a"'],
    ["", 'time: invalid duration ""'],
    ["-", 'time: invalid duration "-"'],
    ["5", 'time: missing unit in duration "5"'],
    ["1d", 'time: unknown unit "d" in duration "1d"'],
    [".s", 'time: invalid duration ".s"'],
  ]);
  expect([0, 1, 1500, 2_500_000, 3e10, 9e10, 3_605e9, -1.5e9].map(formatDuration)).toEqual([
    "0s",
    "1ns",
    "1.5µs",
    "2.5ms",
    "30s",
    "1m30s",
    "1h0m5s",
    "-1.5s",
  ]);
});

test("parseUlimit() reads soft and hard limits", () => {
  expect(parseUlimit("nofile=1024:2048")).toEqual({ Name: "nofile", Soft: 1024, Hard: 2048 });
  expect(parseUlimit("core=-1")).toEqual({ Name: "core", Soft: -1, Hard: -1 });
  expect(parseUlimit("nproc=5:-1")).toEqual({ Name: "nproc", Soft: 5, Hard: -1 });
  refuses(parseUlimit, [
    ["a", "invalid ulimit argument: a"],
    ["", "invalid ulimit argument: "],
    ["foo=1", "invalid ulimit type: foo"],
    ["nofile=a", 'strconv.ParseInt: parsing "a": invalid syntax'],
    ["nofile=", 'strconv.ParseInt: parsing "": invalid syntax'],
    ["nofile=0x10", 'strconv.ParseInt: parsing "0x10": invalid syntax'],
    ["nofile=10:5", "ulimit soft limit must be less than or equal to hard limit: 10 > 5"],
    ["nofile=1:2:3", "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`"],
  ]);
});

test("parseDevice() reads paths and permissions", () => {
  expect(parseDevice("/dev/null")).toEqual({
    PathOnHost: "/dev/null",
    PathInContainer: "/dev/null",
    CgroupPermissions: "rwm",
  });
  expect(parseDevice("/dev/null:rw")).toEqual({
    PathOnHost: "/dev/null",
    PathInContainer: "/dev/null",
    CgroupPermissions: "rw",
  });
  expect(parseDevice("/dev/null:/dev/x:r")).toEqual({
    PathOnHost: "/dev/null",
    PathInContainer: "/dev/x",
    CgroupPermissions: "r",
  });
  refuses(parseDevice, [
    ["a", "a is not an absolute path"],
    ["", "bad format for path: "],
    [":", "bad format for path: :"],
    ["/dev/null:", " is not an absolute path"],
    ["/dev/null:x", "x is not an absolute path"],
    ["/dev/null:rr", "rr is not an absolute path"],
    ["/dev/null::r", " is not an absolute path"],
    ["/dev/null:/dev/x:foo", "bad mode specified: foo"],
    ["/dev/null:/x:", "bad mode specified: "],
    ["/dev/null:/dev/x:rwm:z", "bad format for path: /dev/null:/dev/x:rwm:z"],
  ]);
});

test("parseRestartPolicy() leaves names to the daemon", () => {
  expect(parseRestartPolicy("on-failure:3")).toEqual({ Name: "on-failure", MaximumRetryCount: 3 });
  expect(parseRestartPolicy("")).toEqual({ Name: "", MaximumRetryCount: 0 });
  refuses(parseRestartPolicy, [
    ["on-failure:a", "invalid restart policy format: maximum retry count must be an integer"],
    [":3", "invalid restart policy format: no policy provided before colon"],
  ]);
});

test("throttles and weights name the device and the form", () => {
  expect(parseThrottleBps("/dev/sda:1kb")).toEqual({ Path: "/dev/sda", Rate: 1024 });
  expect(parseThrottleIops("/dev/sda:7")).toEqual({ Path: "/dev/sda", Rate: 7 });
  expect(parseWeightDevice("/dev/sda:200")).toEqual({ Path: "/dev/sda", Weight: 200 });
  const form =
    "The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb";
  refuses(parseThrottleBps, [
    ["a", "bad format: a"],
    ["dev:1", "bad format for device path: dev:1"],
    ["/dev/sda:-1", `invalid rate for device: /dev/sda:-1. ${form}`],
  ]);
  refuses(parseThrottleIops, [
    [
      "/dev/sda:1kb",
      "invalid rate for device: /dev/sda:1kb. The correct format is <device-path>:<number>. Number must be a positive integer",
    ],
  ]);
  refuses(parseWeightDevice, [["/dev/sda:5", "invalid weight for device: /dev/sda:5"]]);
});

test("parseNetwork() reads the long form", () => {
  const attachment = parseNetwork(
    "name=Web,alias=a,alias=b,ip=10.0.0.2,ip6=fd00::2,mac-address=02:00:00:00:00:01,link-local-ip=169.254.1.1,driver-opt=k=v,gw-priority=5",
  );
  expect(attachment.target).toBe("web");
  expect(endpointSettings(attachment)).toEqual({
    Aliases: ["a", "b"],
    DriverOpts: { k: "v" },
    IPAMConfig: { IPv4Address: "10.0.0.2", IPv6Address: "fd00::2", LinkLocalIPs: ["169.254.1.1"] },
    MacAddress: "02:00:00:00:00:01",
    GwPriority: 5,
  });
  expect(parseNetwork("container:a,b")).toMatchObject({ target: "container:a,b", long: false });
  refuses(parseNetwork, [
    ["name=a,foo=b", "invalid field key foo"],
    ["alias=x", "network name/id is not specified"],
    ["name=a,driver-opt=x", "invalid key value pair format in driver options"],
    ["name=a,gw-priority=x", "invalid gw-priority (x): invalid syntax"],
    ["name=a,b", "invalid field: b"],
  ]);
});

test("labels and filters", () => {
  expect(parseLabels(["a=b=c", "d", "a=last"])).toEqual({ a: "last", d: "" });
  refuses(checkLabel, [
    ["", "invalid label '': empty name"],
    ["=a", "invalid label '=a': empty name"],
    ["a b=c", "label 'a b' contains whitespaces"],
  ]);
  expect(parseFilters([])).toBeUndefined();
  expect(JSON.parse(parseFilters(["label=a=b", "label=c", "Status= running "], { dangling: ["true"] }) ?? "")).toEqual({
    label: { "a=b": true, c: true },
    status: { running: true },
    dangling: { true: true },
  });
  expect(parseFilters(["__proto__=__proto__"])).toBe('{"__proto__":{"__proto__":true}}');
  refuses((text) => parseFilters([text]), [["status", "bad format of filter (expected name=value)"]]);
});

test("parseShortReference() shortens names as docker shows them", () => {
  const cases: [string, string][] = [
    ["busybox", "busybox"],
    ["docker.io/library/busybox", "busybox"],
    ["library/busybox:1", "busybox:1"],
    ["index.docker.io/someone/app", "someone/app"],
    ["host:5000/app:2", "host:5000/app:2"],
    ["localhost/app", "localhost/app"],
    ["[::1]:5000/a/b", "[::1]:5000/a/b"],
    [`a@sha256:${"0".repeat(64)}`, `a@sha256:${"0".repeat(64)}`],
  ];
  for (const [text, short] of cases) {
    const { name, tag, digest } = parseShortReference(text);
    expect(`${name}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`).toBe(short);
  }
  refuses(parseShortReference, [
    ["UPPER", "invalid reference format: repository name (library/UPPER) must be lowercase"],
    ["a:b:c", "invalid reference format"],
    ["", "invalid reference format"],
    ["a b", "invalid reference format"],
    ["-a", "invalid reference format"],
    ["a".repeat(64), `invalid repository name (${"a".repeat(64)}), cannot specify 64-byte hexadecimal strings`],
  ]);
});

test("parseTimestamp() takes durations, times and seconds", () => {
  const nowMs = Date.parse("2026-11-21T10:00:00Z");
  expect(parseTimestamp("5m", nowMs)).toBe("1795254900.000000000");
  expect(parseTimestamp("-1.5s", nowMs)).toBe("1795255201.500000000");
  expect(parseTimestamp("1600000000.5", nowMs)).toBe("1600000000.5");
  expect(parseTimestamp("2026-11-21T10:00:00.123456789Z", nowMs)).toBe("1795255200.123456789");
  expect(parseTimestamp("2026-11-21T12:00:00+02:00", nowMs)).toBe("1795255200.000000000");
  expect(parseTimestamp("2026-11-21", nowMs)).toBe(`${Date.parse("2026-11-21T00:00:00") / 1000}.000000000`);
  expect(() => parseTimestamp("foo")).toThrow('failed to parse value as time or duration: "foo"');
  expect(() => parseTimestamp("2026-13-41")).toThrow("failed to parse value");
});
