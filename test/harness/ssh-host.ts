import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { program } from "./daemon.ts";
import { run, until } from "./run.ts";

export interface SshHost extends AsyncDisposable {
  /** `root@127.0.0.1:port` */
  readonly address: string;
  /** For clients: an `ssh` with the key and without questions comes first in PATH. */
  readonly env: Readonly<Record<string, string>>;
  /** Programs of the host, as a login finds them first: `berth`, `docker`. */
  readonly programs: string;
}

/**
 * An ssh server (dropbear) of this machine in a mount namespace of its own, where root's home is a folder of the test.
 * `berth` is installed there unless `without` says so.
 */
export async function startSshHost(options: { without?: boolean } = {}): Promise<SshHost> {
  const folder = await mkdtemp("/tmp/berth-ssh-");
  const [home, programs, client] = ["home", "programs", "client"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(join(home, ".ssh"), { recursive: true, mode: 0o700 });
  for (const path of [programs, client]) await mkdir(path);
  const key = join(folder, "key");
  const made = await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
  if (made.status !== 0) throw new Error(made.stderr);
  await run(["cp", `${key}.pub`, join(home, ".ssh/authorized_keys")]);
  await chmod(join(home, ".ssh/authorized_keys"), 0o600);
  await run(["dropbearkey", "-t", "ed25519", "-f", join(folder, "host-key")]);
  await writeFile(join(folder, "passwd"), `root:x:0:0:root:${home}:/bin/sh\n`);
  if (!options.without) await script(join(programs, "berth"), `exec ${program.join(" ")} "$@"`);
  await writeFile(
    join(folder, "ssh_config"),
    `IdentityFile ${key}\nUserKnownHostsFile /dev/null\nStrictHostKeyChecking no\nLogLevel ERROR\n`,
  );
  await script(join(client, "ssh"), `exec ${Bun.which("ssh") ?? "ssh"} -F ${join(folder, "ssh_config")} "$@"`);
  const port = await freePort();
  const path = `${process.env["PATH"]}:/usr/sbin:/sbin`;
  const server = `mount --bind ${join(folder, "passwd")} /etc/passwd && exec dropbear -F -E -e -s -r ${join(folder, "host-key")} -P ${join(folder, "pid")} -p 127.0.0.1:${port}`;
  const child = Bun.spawn(["unshare", "-m", "--propagation", "private", "sh", "-c", server], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(join(folder, "log")),
    env: { PATH: `${programs}:${path}` },
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    await rm(folder, { recursive: true, force: true });
  };
  const env = { PATH: `${client}:${process.env["PATH"]}` };
  try {
    await until("the ssh server answers", async () => {
      if (child.exitCode !== null) throw new Error(await Bun.file(join(folder, "log")).text());
      const asked = await run(["ssh", "-p", String(port), "root@127.0.0.1", "true"], { env });
      return asked.status === 0;
    });
    return { address: `root@127.0.0.1:${port}`, env, programs, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function script(path: string, text: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}
