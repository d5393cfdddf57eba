import { expect, test } from "bun:test";
import { planDockerUser as plan } from "./docker-user.ts";

const planDockerUser = (rules: string, tag: string, wanted = true) =>
  plan(rules, tag, { wanted, exists: (link) => link !== "berth9abcdef" });

const dropping =
  "-P INPUT ACCEPT\n-P FORWARD DROP\n-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\n";
const rule = "-m mark --mark 0x20000000/0x20000000 -m comment --comment berth0 -j ACCEPT";

test("under dockerd's DROP policy what carries our mark is accepted, once", () => {
  const first = planDockerUser(dropping, "berth0");
  expect(first).toEqual({ script: `*filter\n-I DOCKER-USER ${rule}\nCOMMIT\n`, blocked: false, marked: true });
  expect(planDockerUser(`${dropping}-A DOCKER-USER ${rule}\n`, "berth0")).toEqual({
    script: "",
    blocked: false,
    marked: true,
  });
});

test("rules that are not wanted any more are deleted, those of other engines and users stay", () => {
  const rules = `${dropping}-A DOCKER-USER -i br-1 -m comment --comment berth0 -j ACCEPT\n-A DOCKER-USER ${rule}\n-A DOCKER-USER -i br-2 -m comment --comment berth01234 -j ACCEPT\n-A DOCKER-USER -i br-1 -j ACCEPT\n`;
  expect(planDockerUser(rules, "berth0", false).script).toBe(
    `*filter\n-D DOCKER-USER -i br-1 -m comment --comment berth0 -j ACCEPT\n-D DOCKER-USER ${rule}\nCOMMIT\n`,
  );
});

test("a DROP policy that is not dockerd's is left alone and reported; an ACCEPT policy needs nothing", () => {
  expect(planDockerUser("-P FORWARD DROP\n", "berth0")).toEqual({ script: "", blocked: true, marked: false });
  expect(planDockerUser("-P FORWARD ACCEPT\n-N DOCKER-USER\n", "berth0")).toEqual({
    script: "",
    blocked: false,
    marked: false,
  });
});

test("rules of an engine that died and whose bridge is gone are deleted", () => {
  const mark = "-m mark --mark 0x20000000/0x20000000";
  const rules = `${dropping}-A DOCKER-USER ${mark} -m comment --comment berth9abcdef -j ACCEPT\n-A DOCKER-USER ${mark} -m comment --comment mine -j ACCEPT\n`;
  expect(planDockerUser(rules, "berth0", false).script).toBe(
    `*filter\n-D DOCKER-USER ${mark} -m comment --comment berth9abcdef -j ACCEPT\nCOMMIT\n`,
  );
});
