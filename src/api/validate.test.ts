import { expect, test } from "bun:test";
import { lift } from "./compat.ts";
import { validateBody } from "./validate.ts";

test("a create as dockerd's own client sends it passes unchanged", () => {
  const body = {
    Hostname: "",
    ExposedPorts: { "80/tcp": {} },
    Cmd: ["sh"],
    Healthcheck: { Test: ["CMD", "true"], Interval: 1_000_000_000 },
    Labels: {},
    Volumes: null,
    HostConfig: {
      Binds: ["v:/data"],
      PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "0" }] },
      Memory: 2 ** 40,
      NanoCpus: 0,
      Mounts: [{ Type: "tmpfs", Target: "/x", TmpfsOptions: { SizeBytes: 5 } }],
      Ulimits: [{ Name: "nofile", Soft: -1, Hard: 5 }],
      ConsoleSize: [0, 0],
      RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    },
    NetworkingConfig: { EndpointsConfig: { n: { IPAMConfig: { IPv4Address: "172.31.78.10" }, Aliases: null } } },
  };
  const copy = structuredClone(body);
  expect(validateBody("ContainerCreate", copy)).toEqual(body as never);
});

test("nulls become Go's zero values inside lists and maps, and stay null as fields", () => {
  const body = {
    Env: [null],
    Cmd: null,
    Labels: { a: null },
    HostConfig: { Mounts: [null], PortBindings: { "80/tcp": null } },
  };
  expect(validateBody("ContainerCreate", body)).toEqual({
    Env: [""],
    Cmd: null,
    Labels: { a: "" },
    HostConfig: { Mounts: [{}], PortBindings: { "80/tcp": [] } },
  } as never);
});

test("hostile names do no harm", () => {
  const body: unknown = JSON.parse(
    '{"__proto__":{"Image":"evil"},"constructor":1,"toString":2,"Labels":{"__proto__":"x"},"HOSTCONFIG":{"memory":5}}',
  );
  const checked = validateBody("ContainerCreate", lift("ContainerCreate", 51, body)) as Record<string, unknown>;
  expect(checked["Image"]).toBeUndefined();
  expect(checked["HostConfig"]).toEqual({ Memory: 5 });
  expect(Object.keys(checked["Labels"] as object)).toEqual(["__proto__"]);
  expect(({} as Record<string, unknown>)["Image"]).toBeUndefined();
});

test("each kind of wrong value is refused with the path of its field", () => {
  const cases: [string, unknown, string][] = [
    ["ContainerCreate", { Tty: "yes" }, "Tty must be a boolean, got a string"],
    ["ContainerCreate", { HostConfig: { Memory: 1.5 } }, "HostConfig.Memory must be an integer, got a number"],
    ["ContainerCreate", { HostConfig: { Memory: 1e300 } }, "HostConfig.Memory must be an integer, got a number"],
    ["ContainerCreate", { Labels: { a: 1 } }, "Labels.a must be a string, got a number"],
    ["ContainerCreate", { ExposedPorts: { "80/tcp": [] } }, "ExposedPorts.80/tcp must be an object, got a list"],
    ["ContainerExec", { Cmd: [1] }, "Cmd[0] must be a string, got a number"],
    ["NetworkCreate", { IPAM: { Config: {} } }, "IPAM.Config must be a list, got an object"],
    ["NetworkConnect", "x", "body must be an object, got a string"],
    ["PluginSet", {}, "body must be a list, got an object"],
  ];
  for (const [id, body, text] of cases) expect(() => validateBody(id as "ContainerCreate", body)).toThrow(text);
});
