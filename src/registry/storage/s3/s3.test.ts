import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../../../../test/harness/run.ts";
import { blobDriverConformance } from "../conformance.ts";
import { s3Driver } from "./s3.ts";

// s3rver is a real S3 server: signatures, multipart uploads and ranges are checked by it
const root = new URL("../../../..", import.meta.url).pathname;
let server: Bun.Subprocess;
let folder = "";
let endpoint = "";
let buckets = 0;

beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-s3-");
  const names = Array.from({ length: 12 }, (_, n) => ["--configure-bucket", `bucket-${n}`]).flat();
  const said = join(folder, "said");
  server = Bun.spawn(
    [
      "node",
      "--openssl-legacy-provider",
      "node_modules/.bin/s3rver",
      "-d",
      join(folder, "data"),
      "-a",
      "127.0.0.1",
      "-p",
      "0",
      ...names,
    ],
    { cwd: root, stdin: "ignore", stdout: Bun.file(said), stderr: "inherit" },
  );
  const port = await until(
    "the S3 server listens",
    async () => /listening on [^\s]*?:(\d+)/.exec(await readFile(said, "utf8").catch(() => ""))?.[1],
  );
  endpoint = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  server.kill("SIGKILL");
  await server.exited;
  await rm(folder, { recursive: true, force: true });
});

const optionsOf = (bucket: string) =>
  ({
    driver: "s3",
    bucket,
    endpoint,
    region: "us-east-1",
    accessKeyId: "S3RVER",
    secretAccessKey: "S3RVER",
    prefix: "a/prefix/",
  }) as const;

blobDriverConformance("s3", () => s3Driver(optionsOf(`bucket-${buckets++}`)));

test("s3: a bucket that is not there, or whose key is wrong, is said at the start", async () => {
  for (const options of [optionsOf("nothing"), { ...optionsOf("bucket-0"), accessKeyId: "wrong" }]) {
    let message = "";
    try {
      await s3Driver(options);
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain(`bucket ${options.bucket} cannot be read`);
  }
});
