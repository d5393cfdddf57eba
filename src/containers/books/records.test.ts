import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { containerFixture } from "../container.fixture.ts";
import { containerMigrations, ContainerTable } from "./container.sql.ts";
import { Records } from "./records.ts";
import { move } from "./state.ts";

function open(db = new Database(":memory:")): { db: Database; records: Records } {
  const exists = db.query("SELECT name FROM sqlite_master WHERE name = 'containers'").get();
  if (!exists) for (const { up } of containerMigrations) up(db);
  return { db, records: new Records(new ContainerTable(db)) };
}

const id = (digits: string): string => digits.repeat(64).slice(0, 64);

test("containers are found by id, name, slash and name, and unique prefix", () => {
  const { records } = open();
  records.insert(containerFixture(id("ab")));
  for (const ref of [id("ab"), "name-abab", "/name-abab", "abab"]) expect(records.get(ref).id).toBe(id("ab"));
  expect(() => records.get("cd")).toThrow("No such container: cd");
});

test("a prefix of two containers is refused, a name beats a prefix", () => {
  const { records } = open();
  records.insert(containerFixture(id("ab")));
  records.insert({ ...containerFixture(id("abc")), name: "abab" });
  expect(records.get("abab").id).toBe(id("abc"));
  expect(() => records.get("ab")).toThrow("Multiple IDs found with provided prefix: ab");
});

test("a name in use is refused with the holder's id, also by rename", () => {
  const { records } = open();
  records.insert(containerFixture(id("a")));
  records.insert(containerFixture(id("b")));
  expect(() => records.insert({ ...containerFixture(id("c")), name: "name-aaaa" })).toThrow(
    `The container name "/name-aaaa" is already in use by container "${id("a")}"`,
  );
  expect(() => records.change(id("b"), { name: "name-aaaa" })).toThrow("Conflict");
  records.change(id("b"), { name: "fresh" });
  expect(records.byName("name-bbbb")).toBeUndefined();
  expect(records.get("fresh").id).toBe(id("b"));
});

test("rows come back as they were: times, states, plans", () => {
  const { db, records } = open();
  const container = containerFixture(
    id("a"),
    { Env: ["A=b"], HostConfig: { Memory: 64 << 20 } },
    1_763_000_000_123_456_789n,
  );
  records.insert(container);
  const state = move(container.state, "running", { pid: 4, startedAtNs: 12_345_678_901_234_567n });
  records.setState(container.id, state);
  const again = open(db).records;
  expect(again.get(container.id)).toEqual({ ...container, state });
});

test("a volatile state is seen and not kept", () => {
  const { db, records } = open();
  records.insert(containerFixture(id("a")));
  records.setVolatile(id("a"), { ...records.get(id("a")).state, restartCount: 3 });
  expect(records.get(id("a")).state.restartCount).toBe(3);
  expect(open(db).records.get(id("a")).state.restartCount).toBe(0);
});

test("lists are newest first, and a delete is final", () => {
  const { db, records } = open();
  for (const [n, digit] of ["a", "b", "c"].entries()) records.insert(containerFixture(id(digit), {}, BigInt(n)));
  expect(records.list().map((container) => container.id[0])).toEqual(["c", "b", "a"]);
  records.delete(id("b"));
  expect(open(db).records.list().length).toBe(2);
});
