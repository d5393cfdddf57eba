import { afterAll, beforeAll, expect, test } from "bun:test";
import { collect, failure, opener, testBlob } from "../../src/distribution/fixtures/bytes.ts";
import { cuttingProxy } from "../../src/distribution/fixtures/cutting-proxy.ts";
import { named, testRegistries } from "../../src/distribution/fixtures/registry-settings.ts";
import { startRegistry, type TestRegistry } from "../harness/registry.ts";

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
}, 60_000);
afterAll(() => registry[Symbol.asyncDispose](), 60_000);

// pauses long enough for a registry that starts again
const at = (path: string, host = registry.address) =>
  testRegistries({ retryDelayMs: 200, attempts: 8 }).repository(named(host, path));

test("an upload to our registry that is cut again and again never sends what the registry has", async () => {
  await using proxy = await cuttingProxy(registry.address);
  proxy.cutAfterBytes = 3_000_000;
  const { bytes, descriptor } = testBlob(10_000_000, 50);
  const opened: number[] = [];
  const open = (offset: number): AsyncIterable<Uint8Array> => {
    opened.push(offset);
    return opener(bytes)(offset);
  };
  expect(await at("pair/cut", proxy.host).pushBlob(descriptor, open)).toBe("uploaded");
  expect(opened.length).toBeGreaterThanOrEqual(4);
  expect(opened).toEqual(opened.toSorted((a, b) => a - b));
  expect(opened.at(-1)).toBeGreaterThan(6_000_000);
  expect(await collect(at("pair/cut").blob(descriptor))).toEqual(Buffer.from(bytes));
}, 30_000);

test("our registry killed in the middle of an upload and of a download: both are completed when it is back", async () => {
  const { bytes, descriptor } = testBlob(12_000_000, 51);
  let killed: Promise<void> | undefined;
  const restart = async (): Promise<void> => {
    await registry.kill();
    await registry.start();
  };
  const sent = (count: number): void => {
    if (count > 4_000_000) killed ??= restart();
  };
  expect(await at("pair/killed").pushBlob(descriptor, opener(bytes), { sent })).toBe("uploaded");
  await killed;
  expect(killed).toBeDefined();

  killed = undefined;
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of at("pair/killed").blob(descriptor)) {
    pieces.push(piece);
    length += piece.length;
    if (length < 2_000_000 || killed !== undefined) continue;
    await registry.kill();
    killed = registry.start();
  }
  await killed;
  expect(Buffer.concat(pieces)).toEqual(Buffer.from(bytes));
}, 60_000);

test("a blob that our registry has is mounted, one of sha512 goes both ways", async () => {
  const { bytes, descriptor } = testBlob(100_000, 52);
  await at("pair/one").pushBlob(descriptor, opener(bytes));
  const never = (): never => {
    throw new Error("nothing was to be uploaded");
  };
  expect(await at("pair/two").pushBlob(descriptor, never, { from: ["pair/one"] })).toBe("mounted");
  const digest = `sha512:${new Bun.CryptoHasher("sha512").update(bytes).digest("hex")}`;
  expect(await at("pair/long").pushBlob({ ...descriptor, digest }, opener(bytes))).toBe("uploaded");
  expect(await collect(at("pair/long").blob({ ...descriptor, digest }))).toEqual(Buffer.from(bytes));
  const wrong = await failure(
    at("pair/long").pushBlob({ ...descriptor, digest: `sha256:${"0".repeat(64)}` }, opener(bytes)),
  );
  expect(wrong.kind).toBe("invalid");
});

test("users of our registry: login gives a refresh token, which is enough for all that the user may", async () => {
  await using guarded = await startRegistry({ config: "{}" });
  const add = async (name: string, grant: string): Promise<void> => {
    const made = await guarded.berth(["user", "add", name, "--grant", grant, "--password-stdin"], {
      stdin: `the password of ${name}\n`,
    });
    expect([made.status, made.stderr]).toEqual([0, ""]);
  };
  await add("alice", "team/**=pull,push");
  await add("bob", "team/**=pull");
  const password = (username: string) => ({ username, password: `the password of ${username}` });
  const registries = testRegistries();
  const { status, identityToken } = await registries.login(guarded.address, password("alice"));
  expect(status).toBe("Login Succeeded");
  expect(identityToken).not.toBe("");
  const wrong = await failure(registries.login(guarded.address, { username: "alice", password: "x" }));
  expect([wrong.kind, wrong.message.startsWith("unauthorized: ")]).toEqual(["unauthorized", true]);

  const { bytes, descriptor } = testBlob(100_000, 53);
  const as = (credentials: object) => registries.repository(named(guarded.address, "team/app"), { credentials });
  expect(await as({ username: "alice", identityToken }).pushBlob(descriptor, opener(bytes))).toBe("uploaded");
  expect(await collect(as(password("bob")).blob(descriptor))).toEqual(Buffer.from(bytes));
  const other = testBlob(100, 54);
  const denied = await failure(as(password("bob")).pushBlob(other.descriptor, opener(other.bytes)));
  expect([denied.kind, denied.message]).toEqual(["unauthorized", "denied: requested access to the resource is denied"]);
  expect((await failure(as({}).resolve("v1"))).kind).not.toBe("internal");
});
