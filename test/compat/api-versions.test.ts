import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

type Json = Record<string, unknown>;
const at = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Json)[key], value);

describe.each(["1.24", "1.30", "1.40", "1.41", "1.43", "1.44", "1.47", "1.50", "1.51"])("API %s", (version) => {
  const minor = Number(version.slice(2));
  const cli = (...args: string[]) => daemon.docker(args, { env: { DOCKER_API_VERSION: version } });
  const get = async (path: string): Promise<Json> =>
    (await (await daemon.request("GET", `/v${version}${path}`)).json()) as Json;

  // The stock client of this machine knows versions up to 1.50.
  if (minor <= 50)
    test("the stock command line runs, lists, inspects, logs, execs and removes", async () => {
      const c = `v${minor}`;
      const ran = await cli("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 5");
      // below 1.25 the client removes the container itself, and may complain of its own haste
      expect(ran).toEqual({
        status: 5,
        stdout: "out\n",
        stderr: minor < 25 ? expect.stringMatching(/^err\n/) : "err\n",
      });
      expect((await cli("run", "-d", "--name", c, "busybox", "sh", "-c", "echo line; exec sleep 600")).status).toBe(0);
      expect((await cli("ps", "--format", "{{.Names}} {{.Image}} {{.State}}", "-f", `name=${c}`)).stdout).toBe(
        `${c} busybox running\n`,
      );
      expect((await cli("inspect", "-f", "{{.State.Running}} {{.NetworkSettings.IPAddress}}", c)).stdout).toMatch(
        /^true \d+\.\d+\.\d+\.\d+\n$/,
      );
      expect(await cli("exec", c, "sh", "-c", "echo in; exit 3")).toMatchObject({ status: 3, stdout: "in\n" });
      expect((await cli("logs", c)).stdout).toBe("line\n");
      expect((await cli("stop", "-t", "0", c)).stdout).toBe(`${c}\n`);
      expect((await cli("wait", c)).stdout).toBe("137\n");
      expect((await cli("rm", c)).stdout).toBe(`${c}\n`);
      expect((await cli("version", "-f", "{{.Client.APIVersion}}")).stdout).toBe(`${version}\n`);
      expect((await cli("images", "--format", "{{.Repository}}:{{.Tag}}")).stdout).toBe("busybox:latest\n");
    });

  test("create fills in what this version's containers have", async () => {
    const made = await daemon.request("POST", `/v${version}/containers/create?name=d${minor}`, {
      Image: "busybox",
      Cmd: ["true"],
      MacAddress: "02:42:ac:11:aa:0a",
      HostConfig: { Annotations: { a: "b" } },
    });
    expect(made.status).toBe(201);
    expect(((await made.json()) as Json)["Warnings"]).toEqual(
      minor < 44 ? [] : [expect.stringContaining("container-wide MacAddress field is now deprecated")],
    );
    const inspected = await get(`/containers/d${minor}/json`);
    expect(at(inspected, "HostConfig", "IpcMode")).toBe(minor < 40 ? "shareable" : "private");
    if (minor < 41) expect(at(inspected, "HostConfig", "CgroupnsMode")).toBe("host");
    expect(at(inspected, "HostConfig", "Annotations")).toEqual(minor < 43 ? undefined : { a: "b" });
    expect("KernelMemory" in (inspected["HostConfig"] as Json)).toBe(minor < 50);
    const endpoint = at(inspected, "NetworkSettings", "Networks", "bridge") as Json;
    expect("DNSNames" in endpoint).toBe(minor >= 44);
    expect("GwPriority" in endpoint).toBe(minor >= 48);
    expect(at(inspected, "NetworkSettings", "IPAddress")).toBe("");
    expect((await daemon.request("DELETE", `/v${version}/containers/d${minor}`)).status).toBe(204);
  });

  test("images and info have this version's fields", async () => {
    const [image] = (await get("/images/json")) as unknown as Json[];
    expect("VirtualSize" in (image ?? {})).toBe(minor < 44);
    expect(image?.["Containers"]).toBe(minor < 51 ? -1 : 0);
    const inspected = await get("/images/busybox/json");
    expect("ContainerConfig" in inspected).toBe(minor < 45);
    expect("Hostname" in (inspected["Config"] as Json)).toBe(minor < 50);
    const info = await get("/info");
    expect("FirewallBackend" in info).toBe(minor >= 49);
    expect("BridgeNfIptables" in info).toBe(minor < 50);
    const network = await get("/networks/bridge");
    expect("EnableIPv4" in network).toBe(minor >= 48);
  });

  test("streams have this version's content type", async () => {
    const c = `s${minor}`;
    await daemon.ok("run", "--name", c, "busybox", "echo", "x");
    const logs = await daemon.request("GET", `/v${version}/containers/${c}/logs?stdout=1`);
    expect(logs.headers.get("content-type")).toBe(
      minor < 42 ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream",
    );
    expect(new Uint8Array(await logs.arrayBuffer())).toEqual(new Uint8Array([1, 0, 0, 0, 0, 0, 0, 2, 120, 10]));
    await daemon.ok("rm", c);
  });

  if (minor < 44)
    test("two networks at create are refused", async () => {
      const answer = await daemon.request("POST", `/v${version}/containers/create`, {
        Image: "busybox",
        Cmd: ["true"],
        NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } },
      });
      expect(answer.status).toBe(400);
      expect(((await answer.json()) as Json)["message"]).toBe(
        "Container cannot be created with multiple network endpoints: a, b",
      );
    });
});

test("without a version in the path the newest is spoken, and negotiation finds it", async () => {
  const ping = await daemon.request("HEAD", "/_ping");
  expect(ping.headers.get("api-version")).toBe("1.51");
  expect(ping.headers.get("ostype")).toBe("linux");
  expect(ping.headers.get("content-length")).toBe("0");
  const [image] = (await (await daemon.request("GET", "/images/json")).json()) as Json[];
  expect(image?.["Containers"]).toBe(0);
  const berth = await daemon.berth(["version", "-f", "{{.Client.APIVersion}}"], {
    env: { DOCKER_API_VERSION: "1.41" },
  });
  expect(berth.stdout).toBe("1.41\n");
});

test("versions that are not spoken are refused with Docker's words", async () => {
  const old = await daemon.docker(["ps"], { env: { DOCKER_API_VERSION: "1.23" } });
  expect(old.stderr).toContain("client version 1.23 is too old");
  const young = await daemon.request("GET", "/v1.52/info");
  expect({ status: young.status, text: await young.text() }).toEqual({
    status: 400,
    text: '{"message":"client version 1.52 is too new. Maximum supported API version is 1.51"}\n',
  });
});
