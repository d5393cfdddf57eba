import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

describe.each(clientNames)("%s logs", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  const run = (c: string, flags: string[], line: string) =>
    cli(["run", "--name", c, ...flags, "busybox", "sh", "-c", line]);

  test("gives both streams, the tail, times and details", async () => {
    const c = `${name}-basic`;
    await run(
      c,
      ["--log-opt", "labels=tier", "-l", "tier=web"],
      "echo one; sleep 0.05; echo two >&2; sleep 0.05; echo three; printf four",
    );
    const all = await cli(["logs", c]);
    expect(all.stdout).toBe("one\nthree\nfour");
    expect(all.stderr).toBe("two\n");
    expect((await cli(["logs", "--tail", "1", c])).stdout).toBe("four");
    const timed = await cli(["logs", "-t", "--details", c]);
    expect(timed.stdout.split("\n")[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z tier=web one$/);
    await cli(["rm", c]);
  });

  test("--since and --until cut exactly", async () => {
    const c = `${name}-cut`;
    await run(c, [], "for i in 1 2 3 4 5; do echo $i; sleep 0.05; done");
    const times = (await cli(["logs", "-t", c])).stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0] ?? "");
    expect((await cli(["logs", "--since", times[2] ?? "", c])).stdout).toBe("3\n4\n5\n");
    expect((await cli(["logs", "--until", times[2] ?? "", c])).stdout).toBe("1\n2\n3\n");
    await cli(["rm", c]);
  });

  test("-f follows to the end of the run, and gives every line once across rotation", async () => {
    const c = `${name}-follow`;
    await cli([
      "run",
      "-d",
      "--name",
      c,
      "--log-opt",
      "max-size=100k",
      "--log-opt",
      "max-file=50",
      "busybox",
      "sh",
      "-c",
      "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; sleep 0.2; echo end",
    ]);
    const followed = await cli(["logs", "-f", c]);
    const expected = [...Array.from({ length: 20_000 }, (_, i) => `line ${i}`), "end", ""].join("\n");
    expect(followed.stdout === expected).toBe(true);
    expect((await cli(["logs", c])).stdout === expected).toBe(true);
    expect((await cli(["logs", "--tail", "3", c])).stdout).toBe("line 19998\nline 19999\nend\n");
    await cli(["rm", c]);
  }, 60_000);

  test("a line over 16 KiB comes out whole", async () => {
    const c = `${name}-long`;
    await run(c, [], "head -c 100000 /dev/zero | tr '\\0' x; echo; echo after");
    const { stdout } = await cli(["logs", c]);
    expect(stdout.length).toBe(100_000 + 1 + 6);
    expect(stdout.endsWith("x\nafter\n")).toBe(true);
    await cli(["rm", c]);
  });

  test("driver local reads back, driver none says that it cannot", async () => {
    const c = `${name}-driver`;
    await run(`${c}-local`, ["--log-driver", "local"], "echo stored");
    expect((await cli(["logs", `${c}-local`])).stdout).toBe("stored\n");
    await run(`${c}-none`, ["--log-driver", "none"], "echo lost");
    const refused = await cli(["logs", `${c}-none`]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("configured logging driver does not support reading");
    await cli(["rm", `${c}-local`, `${c}-none`]);
  });

  test("unknown log options are refused by name", async () => {
    const refused = await cli(["create", "--log-opt", "nope=1", "busybox", "true"]);
    expect(refused.stderr).toContain("unknown log opt 'nope' for json-file log driver");
  });
});

test("logs are bounded unless the user says otherwise", async () => {
  await daemon.ok("create", "--name", "bounded", "busybox", "true");
  expect(await daemon.ok("inspect", "-f", "{{json .HostConfig.LogConfig}}", "bounded")).toContain('"Type":"json-file"');
  await daemon.ok(
    "run",
    "--name",
    "loud",
    "--log-opt",
    "max-size=50k",
    "--log-opt",
    "max-file=2",
    "busybox",
    "sh",
    "-c",
    "i=0; while [ $i -lt 20000 ]; do echo a line of some length $i; i=$((i+1)); done",
  );
  const path = await daemon.ok("inspect", "-f", "{{.LogPath}}", "loud");
  const sizes = await Promise.all(
    (await Array.fromAsync(new Bun.Glob("*").scan(path.replace(/\/[^/]*$/, "")))).map(
      (file) => Bun.file(`${path.replace(/\/[^/]*$/, "")}/${file}`).size,
    ),
  );
  expect(sizes.length).toBe(2);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
  expect((await daemon.docker(["logs", "--tail", "1", "loud"])).stdout).toBe("a line of some length 19999\n");
});
