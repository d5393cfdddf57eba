// Uploads that are cut, lie, race, or meet a full disk; crashes of the registry in the middle of them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { digestOf, imageOf, startRegistry, type TestRegistry } from "../harness/registry.ts";
import { run, until } from "../harness/run.ts";

const octets = { "Content-Type": "application/octet-stream" };
const random = (bytes: number): Uint8Array => {
  const blob = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(blob.subarray(at, Math.min(bytes, at + 65_536)));
  return blob;
};

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry[Symbol.asyncDispose]());

async function begin(server = registry, name = "up/loads"): Promise<string> {
  const answer = await server.request("POST", `/v2/${name}/blobs/uploads/`);
  expect(answer.status).toBe(202);
  return answer.headers.get("location") ?? "";
}

async function bytesSoFar(location: string, server = registry): Promise<number> {
  const answer = await server.request("GET", location);
  expect(answer.status).toBe(204);
  const range = answer.headers.get("range") ?? "";
  return range === "0-0" ? 0 : Number(range.slice(2)) + 1;
}

/** Sends raw bytes and hangs up when told, or when the answer is there. */
async function raw(text: string | Uint8Array, options: { hangUp: boolean; server?: TestRegistry }): Promise<string> {
  const port = Number((options.server ?? registry).address.split(":")[1]);
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (piece) => (answer += piece.toString()));
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.write(text, () => {
      if (options.hangUp) socket.destroy();
    });
    socket.on("close", () => resolve());
    socket.on("data", () => {
      if (answer.includes("\r\n\r\n")) socket.end();
    });
  });
  return answer;
}

describe("uploads that are cut", () => {
  test("what came before a connection broke is kept, and the client goes on from there", async () => {
    const blob = random(3_000_000);
    const location = await begin();
    const head = `PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: ${blob.length}\r\n\r\n`;
    await raw(Buffer.concat([Buffer.from(head), blob.subarray(0, 1_700_000)]), { hangUp: true });
    const bytes = await until("the first part arrived", () => bytesSoFar(location));
    expect(bytes).toBeLessThanOrEqual(1_700_000);
    const rest = blob.subarray(bytes);
    const patch = await registry.request("PATCH", location, {
      body: rest as BodyInit,
      headers: { ...octets, "Content-Range": `${bytes}-${blob.length - 1}` },
    });
    expect(patch.status).toBe(202);
    const put = await registry.request("PUT", `${location}?digest=${digestOf(blob)}`);
    expect(put.status).toBe(201);
    expect(digestOf(await (await registry.request("GET", put.headers.get("location") ?? "")).bytes())).toBe(
      digestOf(blob),
    );
  });

  test("a PUT or POST whose body is shorter than it said makes no blob", async () => {
    const digest = digestOf("whole");
    for (const line of [`PUT ${await begin()}?digest=${digest}`, `POST /v2/up/loads/blobs/uploads/?digest=${digest}`]) {
      await raw(`${line} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nwhole`, { hangUp: true });
      await raw(`${line} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n`, { hangUp: true });
    }
    expect((await registry.request("GET", "/v2/")).status).toBe(200);
    expect((await registry.request("HEAD", `/v2/up/loads/blobs/${digest}`)).status).toBe(404);
  });

  test("a length that is a lie, a range that does not fit, a digest that is none: each is a clear error", async () => {
    for (const [headers, query, status, code] of [
      [{ "Content-Range": "0-99" }, "", 400, "SIZE_INVALID"],
      [{ "Content-Range": "5-9" }, "", 416, "RANGE_INVALID"],
      [{ "Content-Range": "9-5" }, "", 416, "RANGE_INVALID"],
      [{ "Content-Range": "bytes=a-b" }, "", 416, "RANGE_INVALID"],
    ] as const) {
      const answer = await registry.request("PATCH", `${await begin()}${query}`, {
        body: "12345",
        headers: { ...octets, ...headers },
      });
      const { errors } = (await answer.json()) as { errors: { code: string }[] };
      expect([headers, answer.status, errors[0]?.code]).toEqual([headers, status, code]);
    }
    for (const digest of [
      "",
      "sha256:short",
      "md5:d41d8cd98f00b204e9800998ecf8427e",
      `sha256:${"A".repeat(64)}`,
      "../../etc/passwd",
      "%00",
    ]) {
      const answer = await registry.request("PUT", `${await begin()}?digest=${encodeURIComponent(digest)}`, {
        body: "x",
      });
      expect([digest, answer.status]).toEqual([digest, 400]);
    }
    const twice = "GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    expect((await raw(twice, { hangUp: false })).startsWith("HTTP/1.1 2")).toBe(false);
  });

  test("another repository's upload is unknown, and so is one that ended", async () => {
    const location = await begin();
    const elsewhere = location.replace("up/loads", "up/elsewhere");
    for (const method of ["GET", "PATCH", "DELETE", "PUT"])
      expect(
        (
          await registry.request(
            method,
            method === "PUT" ? `${elsewhere}?digest=${digestOf("")}` : elsewhere,
            method === "GET" ? {} : { body: "" },
          )
        ).status,
      ).toBe(404);
    expect((await registry.request("GET", "/v2/up/loads/blobs/uploads/..%2f..%2fetc")).status).toBe(400);
    expect((await registry.request("GET", "/v2/up/loads/blobs/uploads/nothing")).status).toBe(404);
  });
});

test("twenty clients push the same blob at once: each is answered 201, one file is kept", async () => {
  const blob = random(2_000_000);
  const digest = digestOf(blob);
  const statuses = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const answer = await registry.request("POST", `/v2/same/r${n % 5}/blobs/uploads/?digest=${digest}`, {
        body: blob as BodyInit,
        headers: octets,
      });
      return answer.status;
    }),
  );
  expect(new Set(statuses)).toEqual(new Set([201]));
  expect(await readdir(join(registry.root, "blobs/sha256", digest.slice(7, 9)))).toContain(digest.slice(7));
  expect(digestOf(await (await registry.request("GET", `/v2/same/r3/blobs/${digest}`)).bytes())).toBe(digest);
});

test("two requests for one upload do not mix", async () => {
  const location = await begin();
  const [a, b] = [random(1_500_000), random(1_500_000)];
  await Promise.all(
    [a, b].map((body) => registry.request("PATCH", location, { body: body as BodyInit, headers: octets })),
  );
  expect(await bytesSoFar(location)).toBe(a.length + b.length);
  const [ab, ba] = [Buffer.concat([a, b]), Buffer.concat([b, a])].map((one) => digestOf(one));
  const first = await registry.request("PUT", `${location}?digest=${ab}`);
  if (first.status !== 201) expect([first.status, ba]).toEqual([400, expect.any(String)]); // the other order came first
});

describe("a registry that is killed", () => {
  test("in the middle of an upload: the client goes on behind the restart, by a status and a range", async () => {
    await using own = await startRegistry();
    const blob = random(40_000_000);
    const location = await begin(own);
    const first = await own.request("PATCH", location, {
      body: blob.subarray(0, 9_000_000) as BodyInit,
      headers: octets,
    });
    expect(first.status).toBe(202);
    const { promise: half, resolve: halfSent } = Promise.withResolvers<void>();
    const cut = own
      .request("PATCH", location, {
        headers: octets,
        body: new ReadableStream({
          async pull(controller) {
            controller.enqueue(blob.subarray(9_000_000, 20_000_000));
            halfSent();
            await until("the registry is killed", () => own.pid() === 0 || !isAlive(own.pid()), 20_000);
            controller.error(new Error("the registry is gone"));
          },
        }),
      })
      .catch(() => undefined);
    await half;
    await until("some of it is written", async () => (await sizeOf(own, location)) > 10_000_000);
    await own.kill();
    await cut;
    await own.start();
    const bytes = await bytesSoFar(location, own);
    expect(bytes).toBeGreaterThan(9_000_000);
    const patch = await own.request("PATCH", location, {
      body: blob.subarray(bytes) as BodyInit,
      headers: { ...octets, "Content-Range": `${bytes}-${blob.length - 1}` },
    });
    expect(patch.status).toBe(202);
    const put = await own.request("PUT", `${location}?digest=${digestOf(blob)}`);
    expect(put.status).toBe(201);
    expect(digestOf(await (await own.request("GET", put.headers.get("location") ?? "")).bytes())).toBe(digestOf(blob));
  });

  for (const point of [
    "registry.staged",
    "registry.synced",
    "registry.adopt",
    "registry.adopted",
    "registry.manifest",
  ]) {
    test(`at ${point}: nothing half is seen, and the push that comes again succeeds`, async () => {
      await using own = await startRegistry({ env: { BERTH_FAULT: `${point}=kill` } });
      const failed = await own.pushImage("crash/me", "one", "the layer").then(
        () => false,
        () => true,
      );
      expect(failed).toBe(true);
      await own.kill();
      await own.start({ BERTH_FAULT: "" });
      const config = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });
      for (const text of [config, "the layer"]) {
        const seen = await own.request("GET", `/v2/crash/me/blobs/${digestOf(text)}`);
        if (seen.status === 200) expect(await seen.text()).toBe(text);
        else expect(seen.status).toBe(404);
      }
      expect((await own.request("GET", "/v2/crash/me/manifests/one")).status).toBe(404);
      const digest = await own.pushImage("crash/me", "one", "the layer");
      expect(digest).toBe(digestOf(JSON.stringify(imageOf(config, ["the layer"]))));
      expect(await (await own.request("GET", `/v2/crash/me/blobs/${digestOf("the layer")}`)).text()).toBe("the layer");
    });
  }
});

test("a registry that is told to stop lets a pull and a push end that have begun, and takes no others", async () => {
  await using own = await startRegistry();
  const blob = random(30_000_000);
  const digest = await own.pushBlob("stop", blob);
  const pull = await own.request("GET", `/v2/stop/blobs/${digest}`);
  const location = await begin(own, "stop");
  const { promise: stopping, resolve: stops } = Promise.withResolvers<void>();
  const push = own.request("PUT", `${location}?digest=${digest}`, {
    body: new ReadableStream({
      async start(controller) {
        controller.enqueue(blob.subarray(0, 1_000_000));
        await stopping;
        controller.enqueue(blob.subarray(1_000_000));
        controller.close();
      },
    }),
  });
  await until("the push has begun", async () => (await sizeOf(own, location)) >= 0);
  const stopped = own.stop();
  await until("nobody else is served", () =>
    own.request("GET", "/v2/", { keepalive: false }).then(
      () => false,
      () => true,
    ),
  );
  stops();
  expect(digestOf(await pull.bytes())).toBe(digest);
  expect((await push).status).toBe(201);
  await stopped;
  expect(await own.log()).toContain("the registry stops");
});

test("layers pass through without being held in memory, in and out, however slow the other end is", async () => {
  await using own = await startRegistry();
  const piece = random(4_000_000);
  const pieces = 40;
  const hasher = new Bun.CryptoHasher("sha256");
  for (let n = 0; n < pieces; n += 1) hasher.update(piece);
  const digest = `sha256:${hasher.digest("hex")}`;
  let sent = 0;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(piece);
      sent += 1;
      if (sent === pieces) controller.close();
    },
  });
  const put = await own.request("PUT", `${await begin(own, "large")}?digest=${digest}`, { body, headers: octets });
  expect(put.status).toBe(201);
  const slow = Array.from({ length: 8 }, () => own.request("GET", `/v2/large/blobs/${digest}`));
  const readers = (await Promise.all(slow)).map((answer) => answer.body?.getReader());
  for (const reader of readers) await reader?.read(); // and no more for now
  expect(digestOf(await (await own.request("GET", `/v2/large/blobs/${digest}`)).bytes())).toBe(digest);
  const status = await Bun.file(`/proc/${own.pid()}/status`).text();
  expect(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1])).toBeLessThan(200 * 1024);
  for (const reader of readers) await reader?.cancel();
});

test("a second registry on the same root is refused, naming it", async () => {
  const { program } = await import("../harness/daemon.ts");
  const second = await run([...program, "registry", "serve", "--root", registry.root, "--listen", "127.0.0.1:0"], {
    timeoutMs: 20_000,
  });
  expect([second.status, second.stderr]).toEqual([
    1,
    expect.stringContaining(`another registry uses ${registry.root}`),
  ]);
  expect((await registry.request("GET", "/v2/")).status).toBe(200);
});

test("a full disk: 507, nothing visible, the registry lives, and there is room again when the upload is cancelled", async () => {
  const root = `/tmp/berth-full-${process.pid}`;
  expect((await run(["sh", "-c", `mkdir ${root} && mount -t tmpfs -o size=24m tmpfs ${root}`])).status).toBe(0);
  try {
    await using own = await startRegistry({ root: join(root, "registry") });
    await own.pushImage("full/disk", "before", "fits");
    const location = await begin(own, "full/disk");
    const patch = await own.request("PATCH", location, { body: random(40_000_000) as BodyInit, headers: octets });
    expect([patch.status, await patch.text()]).toEqual([507, expect.stringContaining("no space left")]);
    expect((await own.request("GET", "/v2/full/disk/manifests/before")).status).toBe(200);
    const so = await bytesSoFar(location, own);
    expect(so).toBeGreaterThan(1_000_000);
    expect((await own.request("DELETE", location)).status).toBe(204);
    const blob = random(5_000_000);
    expect(await own.pushBlob("full/disk", blob)).toBe(digestOf(blob));
    await own.pushImage("full/disk", "after", "fits too");
  } finally {
    await run(["sh", "-c", `umount ${root} && rmdir ${root}`]);
  }
});

async function sizeOf(own: TestRegistry, location: string): Promise<number> {
  return Bun.file(join(own.root, "uploads", location.slice(location.lastIndexOf("/") + 1)))
    .stat()
    .then(({ size }) => size);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // no such process
  }
}
