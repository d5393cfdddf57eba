import { expect, test } from "bun:test";
import { planDockerUser as plan } from "./docker-user.ts";

const planDockerUser = (rules: string, tag: string, bridges: readonly string[]) =>
  plan(rules, tag, { bridges, exists: (link) => link !== "gone" });

const dropping =
  "-P INPUT ACCEPT\n-P FORWARD DROP\n-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\n";

test("under dockerd's DROP policy each bridge is accepted both ways, once", () => {
  const { script } = planDockerUser(dropping, "berth0", ["berth0"]);
  expect(script).toBe(
    "*filter\n-I DOCKER-USER -i berth0 -m comment --comment berth0 -j ACCEPT\n-I DOCKER-USER -o berth0 -m comment --comment berth0 -j ACCEPT\nCOMMIT\n",
  );
  const after = `${dropping}-A DOCKER-USER -i berth0 -m comment --comment berth0 -j ACCEPT\n-A DOCKER-USER -o berth0 -m comment --comment berth0 -j ACCEPT\n`;
  expect(planDockerUser(after, "berth0", ["berth0"]).script).toBe("");
});

test("rules for bridges that went are deleted, those of other engines and users stay", () => {
  const rules = `${dropping}-A DOCKER-USER -i br-1 -m comment --comment berth0 -j ACCEPT\n-A DOCKER-USER -i br-2 -m comment --comment berth01234 -j ACCEPT\n-A DOCKER-USER -i br-1 -j ACCEPT\n`;
  expect(planDockerUser(rules, "berth0", []).script).toBe(
    "*filter\n-D DOCKER-USER -i br-1 -m comment --comment berth0 -j ACCEPT\nCOMMIT\n",
  );
});

test("a DROP policy that is not dockerd's is left alone and reported; an ACCEPT policy needs nothing", () => {
  expect(planDockerUser("-P FORWARD DROP\n", "berth0", ["berth0"])).toEqual({ script: "", blocked: true });
  expect(planDockerUser("-P FORWARD ACCEPT\n-N DOCKER-USER\n", "berth0", ["berth0"])).toEqual({
    script: "",
    blocked: false,
  });
});

test("rules of an engine that died and whose bridge is gone are deleted", () => {
  const rules = `${dropping}-A DOCKER-USER -i gone -m comment --comment berth01234567 -j ACCEPT\n-A DOCKER-USER -i gone -m comment --comment mine -j ACCEPT\n`;
  expect(planDockerUser(rules, "berth0", []).script).toBe(
    "*filter\n-D DOCKER-USER -i gone -m comment --comment berth01234567 -j ACCEPT\nCOMMIT\n",
  );
});
