import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { servicesArchive } from "../fixtures/debian-services.ts";
import { startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

setDefaultTimeout(180_000);

let daemon: TestDaemon;
const made = await servicesArchive();
beforeAll(async () => {
  daemon = await startDaemon();
  if ("missing" in made) return;
  await daemon.ok("import", made.archive, "services");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const postgres = "/usr/lib/postgresql/15/bin";
const start = (name: string, ...words: string[]): Promise<string> =>
  daemon.ok("run", "-d", "--name", name, "--network", "app", ...words);
const exec = (name: string, ...words: string[]): Promise<string> => daemon.ok("exec", name, ...words);

function database(): Promise<string> {
  const script = `[ -d /data/pg/base ] || ${postgres}/initdb -D /data/pg -A trust --locale=C >/dev/null && exec ${postgres}/postgres -D /data/pg -c listen_addresses=* -c unix_socket_directories=/tmp -c jit=off`;
  const trust = "echo 'host all all all trust' >> /data/pg/pg_hba.conf";
  return start(
    "db",
    "-u",
    "postgres",
    "-v",
    "pg:/data/pg",
    "services",
    "sh",
    "-c",
    script.replace(" && exec", ` && ${trust} && exec`),
  );
}
const cache = (): Promise<string> =>
  start(
    "cache",
    "-u",
    "postgres",
    "-v",
    "redis:/data/redis",
    "services",
    "/usr/bin/redis-server",
    "--dir",
    "/data/redis",
    "--protected-mode",
    "no",
    "--appendonly",
    "yes",
  );
const sql = (statement: string): Promise<string> =>
  exec("tool", `${postgres}/psql`, "-h", "db", "-U", "postgres", "-Atc", statement);

test.skipIf("missing" in made)(
  `nginx, PostgreSQL and Redis of Debian find each other by name, and keep their data${"missing" in made ? ` (skipped: no ${made.missing})` : ""}`,
  async () => {
    await daemon.ok("network", "create", "app");
    await start("tool", "services", "sleep", "1000");
    await Promise.all([database(), cache()]);
    await start("backend", "-v", "www:/www", "services", "/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www");
    await exec("backend", "sh", "-c", "echo from the backend > /www/index.html");
    // Asked for at run time, as configurations out there do it: an address that changes is found.
    writeFileSync(
      `${daemon.folder}/nginx.conf`,
      `user root; daemon off; error_log stderr; pid /tmp/nginx.pid; events {}
http { access_log off; resolver 127.0.0.11 valid=1s;
  server { listen 80; location / { set $backend http://backend:8080; proxy_pass $backend; } } }
`,
    );
    await start(
      "front",
      "-p",
      "127.0.0.1::80",
      "-v",
      `${daemon.folder}/nginx.conf:/nginx.conf:ro`,
      "services",
      "nginx",
      "-c",
      "/nginx.conf",
    );
    const port = (await daemon.ok("port", "front", "80")).split(":").at(-1);
    const page = (): Promise<string> =>
      fetch(`http://127.0.0.1:${port}/`).then(
        (answer) => answer.text(),
        () => "",
      );
    await until("the page comes", async () => (await page()) === "from the backend\n");
    await until(
      "the database answers",
      async () =>
        (await daemon.docker(["exec", "tool", `${postgres}/psql`, "-h", "db", "-U", "postgres", "-c", "select 1"]))
          .status === 0,
      60_000,
    );
    await sql("create table kept (n int); insert into kept select generate_series(1, 1000)");
    expect(await exec("tool", "redis-cli", "-h", "cache", "set", "kept", "too")).toBe("OK");

    // All anew over the same volumes: other containers at other addresses, the same names and data.
    await daemon.ok("stop", "-t", "10", "db", "cache");
    await daemon.ok("rm", "-f", "db", "cache", "backend");
    await start("taker", "services", "sleep", "1000");
    await Promise.all([database(), cache()]);
    await start("backend", "-v", "www:/www", "services", "/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www");
    await until(
      "the database answers",
      async () =>
        (await daemon.docker(["exec", "tool", `${postgres}/psql`, "-h", "db", "-U", "postgres", "-c", "select 1"]))
          .status === 0,
      60_000,
    );
    expect(await sql("select sum(n) from kept")).toBe("500500");
    expect(await exec("tool", "redis-cli", "-h", "cache", "get", "kept")).toBe("too");
    await until("the page comes from the new backend", async () => (await page()) === "from the backend\n");

    // And over a kill of the daemon, which none of them notices.
    await daemon.kill();
    expect(await page()).toBe("from the backend\n");
    await daemon.start();
    expect(await sql("select count(*) from kept")).toBe("1000");
  },
);
