import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig, reloadConfig } from "./config.ts";
import { configRows } from "./config-table.ts";
import { readFlags } from "./flags.ts";
import { daemonHelp } from "./help.ts";

let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "berth-config-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const flags = (...argv: string[]) => readConfig(readFlags(argv).typed);
const file = (content: unknown, ...argv: string[]) => {
  const path = join(dir, "daemon.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return flags("--config-file", path, ...argv);
};

describe("flags", () => {
  test("are read in every form pflag knows", () => {
    const { config } = flags(
      "-H",
      "unix:///a",
      "-Hunix:///b",
      "--host=tcp://127.0.0.1:2375",
      "-Dl",
      "warn",
      "--tls=false",
      "--mtu",
      "1400",
      "-G=wheel",
    );
    expect(config.host).toEqual(["unix:///a", "unix:///b", "tcp://127.0.0.1:2375"]);
    expect([config.debug, config["log-level"], config.tls, config.mtu, config.group]).toEqual([
      true,
      "warn",
      false,
      1400,
      "wheel",
    ]);
  });

  test("keep their defaults when unset", () => {
    const { config, warnings } = file({});
    expect([config["data-root"], config["exec-root"], config["default-shm-size"], config["log-driver"]]).toEqual([
      "/var/lib/berth",
      "/run/berth",
      67108864,
      "json-file",
    ]);
    expect(warnings).toEqual([]);
  });

  test.each([
    [["--bogus"], "unknown flag: --bogus"],
    [["-Z"], "unknown shorthand flag: 'Z' in -Z"],
    [["--mtu"], "flag needs an argument: --mtu"],
    [["-H"], "flag needs an argument: 'H' in -H"],
    [["stray"], '"berth daemon" accepts no arguments, got "stray"'],
    [["--mtu", "big"], 'invalid argument "big" for "--mtu" flag: must be a whole number from 0 to 65535'],
    [
      ["-l", "loud"],
      'invalid argument "loud" for "-l, --log-level" flag: must be one of debug, info, warn, error, fatal',
    ],
    [["-H", "fd://"], "sockets of systemd are not taken over"],
    [["-H", "tcp://:99999"], "invalid bind address (tcp://:99999)"],
    [["-H", "unix://relative"], "must be an absolute path"],
    [["--dns", "example"], "ip address is not correctly formatted"],
    [["--bip", "10.0.0.1"], "invalid CIDR address: 10.0.0.1"],
    [["--add-runtime", "crun=/x"], "runtime name 'crun' is reserved"],
    [["--add-runtime", "crun"], 'invalid value "crun": want name=value'],
    [["--default-runtime", "kata"], "specified default runtime 'kata' does not exist"],
    [["--default-address-pool", "base=10.0.0.0/16,size=8"], "invalid pool size 8: must be from 16 to 32"],
    [["--default-ulimit", "nofiles=1"], "invalid ulimit type: nofiles"],
    [["--default-ulimit", "nofile=9:1"], "soft limit must be at most hard limit: 9 > 1"],
    [["--default-shm-size", "lots"], "invalid size: 'lots'"],
    [["--registry-mirror", "mirror:5000"], "invalid mirror"],
    [["--data-root", "/x", "--exec-root", "/x"], "may not be the same folder"],
    [["--builder", "{}"], "unknown flag: --builder"],
  ])("%j is refused naming the flag", (argv, message) => {
    expect(() => flags(...argv)).toThrow(message);
  });

  test("rich values arrive as data", () => {
    const { config } = flags(
      "--add-runtime",
      "youki=/usr/bin/youki",
      "--default-runtime=youki",
      "--default-address-pool",
      "base=10.10.0.0/16,size=24",
      "--default-ulimit",
      "nofile=1024:2048",
      "--default-ulimit",
      "core=-1",
      "--default-shm-size=1.5g",
      "--log-opt",
      "max-size=1m",
      "--log-opt",
      "max-file=2",
    );
    expect(config["add-runtime"]).toEqual({ youki: { path: "/usr/bin/youki", args: [] } });
    expect(config["default-address-pool"]).toEqual([{ base: "10.10.0.0/16", size: 24 }]);
    expect(config["default-ulimit"]).toEqual([
      { name: "nofile", soft: 1024, hard: 2048 },
      { name: "core", soft: -1, hard: -1 },
    ]);
    expect(config["default-shm-size"]).toBe(1.5 * 1024 ** 3);
    expect(config["log-opt"]).toEqual({ "max-size": "1m", "max-file": "2" });
  });

  test("of dockerd that do nothing here are accepted with a warning that says why", () => {
    const { warnings } = flags("--userland-proxy=false", "--storage-driver", "overlay2");
    expect(warnings).toEqual([
      "--storage-driver has no effect: the storage driver is overlay2",
      "--userland-proxy has no effect: ports are published without a proxy process",
    ]);
  });
});

describe("daemon.json", () => {
  test("sets what flags set, by dockerd's keys", () => {
    const { config } = file({
      hosts: ["unix:///x"],
      labels: ["a=b"],
      "log-opts": { "max-size": "5m" },
      runtimes: { youki: { path: "/y", runtimeArgs: ["--z"] } },
      debug: true,
      "default-ulimits": { nofile: { Name: "nofile", Soft: 5, Hard: 6 } },
      "default-shm-size": "128M",
      "insecure-registries": ["10.0.0.1:5000"],
    });
    expect(config.host).toEqual(["unix:///x"]);
    expect(config["add-runtime"]).toEqual({ youki: { path: "/y", args: ["--z"] } });
    expect(config["default-ulimit"]).toEqual([{ name: "nofile", soft: 5, hard: 6 }]);
    expect([config.debug, config["default-shm-size"], config.label]).toEqual([true, 134217728, ["a=b"]]);
  });

  test.each([
    ["{", "it is not valid JSON"],
    ["[]", "it must hold a JSON object"],
    [
      { hosst: [], "config-file": "/x" },
      "the following directives don't match any configuration option: hosst, config-file",
    ],
    [{ debug: "yes" }, 'invalid value for "debug": must be true or false'],
    [{ mtu: -1 }, 'invalid value for "mtu": must be a whole number from 0 to 65535'],
    [{ labels: "a=b" }, 'invalid value for "labels": must be a list of strings'],
    [{ runtimes: { x: { path: "/x", options: {} } } }, "runtime x: unknown key options"],
    [
      { "default-address-pools": [{ base: "10.0.0.0/8", size: 24, more: 1 }] },
      "unexpected key 'more' in a default address pool",
    ],
  ])("%j is refused naming the file and the key", (content, message) => {
    expect(() => file(content)).toThrow(message);
    expect(() => file(content)).toThrow(`unable to configure the Docker daemon with file ${join(dir, "daemon.json")}`);
  });

  test("and flags may not both set a thing", () => {
    expect(() => file({ labels: ["c=d"], debug: true }, "--label", "a=b", "-D")).toThrow(
      "the following directives are specified both as a flag and in the configuration file: labels: (from flag: [a=b], from file: [c=d]), debug: (from flag: true, from file: true)",
    );
  });

  test("that is named must be there", () => {
    expect(() => flags("--config-file", "/no/such.json")).toThrow("open /no/such.json: no such file or directory");
  });
});

test("a reload takes what can be taken, keeps flags, and says what waits for the next start", () => {
  const path = join(dir, "daemon.json");
  writeFileSync(path, JSON.stringify({ labels: ["a=1"], "data-root": "/one" }));
  const { typed } = readFlags(["--config-file", path, "--log-level", "warn"]);
  const before = readConfig(typed).config;
  writeFileSync(path, JSON.stringify({ labels: ["a=2"], "data-root": "/two" }));
  const { config, changed, warnings } = reloadConfig(before, typed);
  expect([config.label, config["data-root"], config["log-level"]]).toEqual([["a=2"], "/one", "warn"]);
  expect(changed).toEqual(["label"]);
  expect(warnings).toEqual(["data-root changes with the next start of the daemon"]);
});

test("help names every flag, and no two settings share a letter or a key", () => {
  const help = daemonHelp();
  for (const [name, { fileOnly }] of configRows) if (fileOnly !== true) expect(help).toContain(`--${name}`);
  const letters = configRows.flatMap(([, { short }]) => short ?? []);
  expect(new Set(letters).size).toBe(letters.length);
});
