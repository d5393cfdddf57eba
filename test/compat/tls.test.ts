import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
let folder: string;
let secure: string;
beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-tls-");
  await certificates();
  const pem = (name: string): string => join(folder, name);
  daemon = await startDaemon({
    args: [
      "-H",
      "tcp://127.0.0.1:0",
      "--tlsverify",
      "--tlscacert",
      pem("ca.pem"),
      "--tlscert",
      pem("server-cert.pem"),
      "--tlskey",
      pem("server-key.pem"),
    ],
  });
  secure = await tcpOf(daemon);
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** An authority, a server's certificate for 127.0.0.1, a client's, and one of another authority, as Docker's guide makes them. */
async function certificates(): Promise<void> {
  const openssl = (...args: string[]) => Bun.$`openssl ${args}`.cwd(folder).quiet();
  await writeFile(join(folder, "server.cnf"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
  await writeFile(join(folder, "client.cnf"), "extendedKeyUsage=clientAuth\n");
  for (const ca of ["ca", "other"]) {
    await openssl(
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      `${ca}-key.pem`,
      "-out",
      `${ca}.pem`,
      "-days",
      "2",
      "-subj",
      `/CN=${ca}`,
    );
  }
  for (const [name, ca, extension] of [
    ["server", "ca", "server"],
    ["client", "ca", "client"],
    ["stranger", "other", "client"],
  ] as const) {
    await openssl(
      "req",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      `${name}-key.pem`,
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${name}`,
    );
    await openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      `${ca}.pem`,
      "-CAkey",
      `${ca}-key.pem`,
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      `${extension}.cnf`,
      "-out",
      `${name}-cert.pem`,
    );
  }
}

/** Where a daemon with `-H tcp://127.0.0.1:0` listens, from its log. */
async function tcpOf({ folder: home }: TestDaemon): Promise<string> {
  const logs = await Array.fromAsync(new Bun.Glob("daemon.log.*").scan(home));
  const text = (await Promise.all(logs.map((name) => readFile(join(home, name), "utf8")))).join("\n");
  const address = /tcp:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
  if (address === undefined) throw new Error(`no port in the log: ${text}`);
  return address;
}

describe.each(clientNames)("%s", (name) => {
  const over = (host: string, flags: string[], args: string[], options = {}) =>
    client(daemon, name)([...flags, ...args], { ...options, env: { DOCKER_HOST: host } });
  const flags = (who: string): string[] => [
    "--tlsverify",
    "--tlscacert",
    join(folder, "ca.pem"),
    "--tlscert",
    join(folder, `${who}-cert.pem`),
    "--tlskey",
    join(folder, `${who}-key.pem`),
  ];

  test("--tlsverify with a certificate of the authority drives the daemon, streams and all", async () => {
    expect((await over(secure, flags("client"), ["version", "-f", "{{.Server.APIVersion}}"])).stdout).toBe("1.51\n");
    const ran = await over(
      secure,
      flags("client"),
      ["run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo err >&2; exit 7"],
      { stdin: "through TLS\n" },
    );
    expect(ran).toEqual({ status: 7, stdout: "through TLS\n", stderr: "err\n" });
    const much = await over(secure, flags("client"), ["run", "--rm", "busybox", "head", "-c", "5000000", "/dev/zero"]);
    expect(much.stdout.length).toBe(5_000_000);
  });

  test("DOCKER_TLS_VERIFY and DOCKER_CERT_PATH do the same", async () => {
    for (const [from, to] of [
      ["client-cert.pem", "cert.pem"],
      ["client-key.pem", "key.pem"],
    ] as const)
      await Bun.$`cp ${join(folder, from)} ${join(folder, to)}`;
    const ping = await client(daemon, name)(["ps", "-q"], {
      env: { DOCKER_HOST: secure, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder },
    });
    expect(ping).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  test("without a certificate, with a stranger's, and without TLS nothing is answered", async () => {
    for (const options of [
      ["--tlsverify", "--tlscacert", join(folder, "ca.pem"), "--tlscert", "/nosuch", "--tlskey", "/nosuch"],
      flags("stranger"),
      [],
    ]) {
      const refused = await over(secure, options, ["ps"]);
      expect({ options, status: refused.status, stdout: refused.stdout }).toEqual({ options, status: 1, stdout: "" });
      expect(refused.stderr).not.toBe("");
    }
    const bare = await over(secure, ["--tls", "--tlscacert", join(folder, "ca.pem")], ["ps"]);
    expect(bare.status).toBe(1);
  });

  test("a client that does not know the daemon's authority refuses it", async () => {
    const refused = await over(
      secure,
      [
        "--tlsverify",
        "--tlscacert",
        join(folder, "other.pem"),
        "--tlscert",
        join(folder, "client-cert.pem"),
        "--tlskey",
        join(folder, "client-key.pem"),
      ],
      ["ps"],
    );
    expect(refused.status).toBe(1);
    expect(refused.stderr.toLowerCase()).toMatch(/certificate|tls/);
  });

  test("the socket needs none of it", async () => {
    expect((await over(`unix://${daemon.socket}`, [], ["ps", "-q"])).status).toBe(0);
  });
});

test("plain TCP and two sockets at once", async () => {
  const second = join(folder, "second.sock");
  await using plain = await startDaemon({ args: ["-H", "tcp://127.0.0.1:0", "-H", `unix://${second}`] });
  const address = await tcpOf(plain);
  for (const name of clientNames) {
    for (const host of [address, `unix://${second}`, `unix://${plain.socket}`]) {
      const answer = await client(plain, name)(["volume", "create", "same"], { env: { DOCKER_HOST: host } });
      expect({ name, host, ...answer }).toEqual({ name, host, status: 0, stdout: "same\n", stderr: "" });
    }
  }
}, 60_000);
