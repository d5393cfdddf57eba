import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseFlags } from "../parse.ts";
import { createFlags, type CreateValues } from "./create-flags.ts";
import { createRequest, type CreateBody } from "./create-request.ts";

/** Reads a command line and drops what says nothing, so that only wishes are compared. */
function request(
  argv: readonly string[],
  options: { detached?: boolean; env?: Record<string, string> } = {},
): CreateBody {
  const { values, set, args } = parseFlags(createFlags, argv, { stopAtFirstArgument: true });
  const [image = "", ...command] = args;
  const body = createRequest({
    flags: values as unknown as CreateValues,
    set,
    image,
    command,
    env: options.env ?? {},
    detached: options.detached ?? false,
  });
  return wishes(body) as CreateBody;
}

function wishes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(wishes);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).map(([name, child]): [string, unknown] => [name, wishes(child)]);
  return Object.fromEntries(
    kept.filter(
      ([, child]) =>
        !(
          child === undefined ||
          child === null ||
          child === "" ||
          child === 0 ||
          child === false ||
          (typeof child === "object" && Object.keys(child as object).length === 0)
        ),
    ),
  );
}

const defaults = { NetworkMode: "default", RestartPolicy: { Name: "no" as const }, MemorySwappiness: -1 };

// the bodies that docker 28.2.2 sends for the same command lines, recorded by a socket that listens
describe("createRequest", () => {
  test("says little for a plain command", () => {
    expect(request(["busybox", "echo", "hi"])).toEqual({
      Image: "busybox",
      Cmd: ["echo", "hi"],
      AttachStdout: true,
      AttachStderr: true,
      HostConfig: defaults,
    });
  });

  test("attaches what -i, -a and -d ask for", () => {
    expect(request(["-it", "b"])).toMatchObject({ AttachStdin: true, OpenStdin: true, StdinOnce: true, Tty: true });
    expect(request(["-i", "b"], { detached: true })).not.toHaveProperty("AttachStdin");
    expect(request(["-i", "b"], { detached: true })).not.toHaveProperty("StdinOnce");
    const one = request(["-a", "STDERR", "b"]);
    expect(one.AttachStderr).toBe(true);
    expect(one).not.toHaveProperty("AttachStdout");
    expect(() => request(["-a", "stdin", "b"], { detached: true })).toThrow(
      "conflicting options: cannot specify both --attach and --detach",
    );
  });

  test("takes variables and labels from flags, files and our environment", () => {
    const folder = mkdtempSync(join(tmpdir(), "berth-create-"));
    try {
      writeFileSync(join(folder, "env"), "# comment\nA=1\nFROM\nGONE\n");
      writeFileSync(join(folder, "labels"), "l1=1\nl2=\n");
      const body = request(
        [
          "--env-file",
          join(folder, "env"),
          "-e",
          "FROM",
          "-e",
          "GONE",
          "-e",
          "B=x y",
          "--label-file",
          join(folder, "labels"),
          "-l",
          "l1=2",
          "b",
        ],
        { env: { FROM: "here" } },
      );
      expect(body.Env).toEqual(["A=1", "FROM=here", "FROM=here", "GONE", "B=x y"]);
      expect(body.Labels).toEqual({ l1: "2" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("tells binds from anonymous volumes, and makes relative sources absolute", () => {
    const body = request(["-v", "/a:/b:ro", "-v", "vol:/c", "-v", "/anon", "-v", "./rel:/d", "b"]);
    expect(body.HostConfig?.Binds).toEqual(["/a:/b:ro", "vol:/c", `${process.cwd()}/rel:/d`]);
    expect(() => request(["-v", "", "b"])).toThrow("invalid empty volume spec");
    expect(() => request(["-v", "/a:", "b"])).toThrow("invalid spec: /a:: empty section between colons");
    expect(() => request(["-v", "a:b:c:d", "b"])).toThrow("invalid spec: a:b:c:d: too many colons");
  });

  test("puts ports, networks and addresses where the API wants them", () => {
    const body = request([
      "-p",
      "127.0.0.1:8080:80",
      "--expose",
      "90/udp",
      "--network",
      "foo",
      "--network-alias",
      "x",
      "--ip",
      "1.2.3.4",
      "--link",
      "other:o",
      "b",
    ]);
    expect(body.HostConfig).toMatchObject({
      NetworkMode: "foo",
      PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] },
      Links: ["other:o"],
    });
    expect(body.NetworkingConfig).toEqual({
      EndpointsConfig: { foo: { Aliases: ["x"], IPAMConfig: { IPv4Address: "1.2.3.4" }, Links: ["other:o"] } },
    });
    expect(request(["--network", "foo", "b"])).not.toHaveProperty("NetworkingConfig");
    expect(() => request(["--network-alias", "x", "b"])).toThrow(
      "network-scoped aliases are only supported for user-defined networks",
    );
    expect(() => request(["--network", "foo", "--network", "host", "b"])).toThrow(
      "cannot attach both user-defined and non-user-defined network-modes",
    );
    expect(() => request(["--network", "foo", "--network", "foo", "b"])).toThrow(
      'network "foo" is specified multiple times',
    );
    expect(() => request(["--network", "name=foo,ip=1.1.1.1", "--ip", "1.1.1.2", "b"])).toThrow(
      "cannot specify both --ip and per-network IPv4 address",
    );
  });

  test("takes limits in their units", () => {
    const body = request([
      "-m",
      "100m",
      "--memory-swap",
      "-1",
      "--cpus",
      "1.5",
      "--pids-limit",
      "-1",
      "--ulimit",
      "nofile=10:20",
      "--device-read-bps",
      "/dev/sda:1mb",
      "b",
    ]);
    expect(body.HostConfig).toMatchObject({
      Memory: 100 * 1024 ** 2,
      MemorySwap: -1,
      NanoCpus: 1_500_000_000,
      PidsLimit: -1,
      Ulimits: [{ Name: "nofile", Soft: 10, Hard: 20 }],
      BlkioDeviceReadBps: [{ Path: "/dev/sda", Rate: 1024 ** 2 }],
    });
    expect(() => request(["--cpus", "0.12345678912", "b"])).toThrow("value is too precise");
    expect(() => request(["--memory-swappiness", "101", "b"])).toThrow("Valid memory swappiness range is 0-100");
  });

  test("builds health checks, ours on failure included", () => {
    const body = request([
      "--health-cmd",
      "true",
      "--health-interval",
      "3s",
      "--health-retries",
      "2",
      "--health-on-failure",
      "restart",
      "b",
    ]);
    expect(body.Healthcheck).toEqual({ Test: ["CMD-SHELL", "true"], Interval: 3e9, Retries: 2 });
    expect(body.HostConfig?.Annotations).toEqual({ "io.berth.health.on-failure": "restart" });
    expect(request(["--no-healthcheck", "b"]).Healthcheck).toEqual({ Test: ["NONE"] });
    expect(() => request(["--no-healthcheck", "--health-cmd", "x", "b"])).toThrow(
      "--no-healthcheck conflicts with --health-* options",
    );
    expect(() => request(["--health-interval", "-1s", "b"])).toThrow("--health-interval cannot be negative");
    expect(() => request(["--health-on-failure", "explode", "b"])).toThrow("invalid --health-on-failure 'explode'");
  });

  test("an empty --entrypoint is sent, an absent one is not", () => {
    expect(createRequest({ ...sourceOf(["--entrypoint", "", "b"]), command: [] }).Entrypoint).toEqual([""]);
    expect(createRequest({ ...sourceOf(["b"]), command: [] })).not.toHaveProperty("Entrypoint");
  });

  test.each([
    [["--pid", "foo", "b"], "--pid: invalid PID mode"],
    [["--uts", "foo", "b"], "--uts: invalid UTS mode"],
    [["--userns", "foo", "b"], "--userns: invalid USER mode"],
    [["--cgroupns", "foo", "b"], "--cgroupns: invalid CGROUP mode"],
    [["--rm", "--restart", "always", "b"], "conflicting options: cannot specify both --restart and --rm"],
    [["--log-driver", "none", "--log-opt", "a=b", "b"], "invalid logging opts for driver none"],
    [["--storage-opt", "x", "b"], "invalid storage option"],
    [["--mac-address", "x", "b"], "x is not a valid mac address"],
    [["--security-opt", "foo", "b"], 'Invalid --security-opt: "foo"'],
    [["--device", "a:b:c:d", "b"], "bad format for path: a:b:c:d"],
  ])("%p is refused in docker's words, with status 125", (argv, message) => {
    expect(() => request(argv)).toThrow(expect.objectContaining({ status: 125, message }));
  });
});

function sourceOf(argv: readonly string[]) {
  const { values, set, args } = parseFlags(createFlags, argv, { stopAtFirstArgument: true });
  return { flags: values as unknown as CreateValues, set, image: args[0] ?? "", env: {}, detached: false };
}
