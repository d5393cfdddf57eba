import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, chown } from "node:fs/promises";
import { join } from "node:path";
import type { Caller } from "../../src/spec/caller.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  await chmod(daemon.folder, 0o755);
  await chown(daemon.socket, 0, 4242); // somebody of the socket's group
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

interface Row {
  readonly type: string;
  readonly action: string;
  readonly caller: Caller;
}

function stored(): Row[] {
  using db = new Database(join(daemon.dataRoot, "events.db"), { readonly: true });
  return db
    .query<{ event: string }, []>("SELECT event FROM events ORDER BY sequence")
    .all()
    .map(({ event }) => JSON.parse(event) as Row);
}

/** What happens by itself, after what somebody asked for. */
const own = new Set(["container die", "container exec_die", "network disconnect", "volume unmount"]);

test("every event says who asked: uid, gid and pid of the process at the socket", async () => {
  const begin = stored().length;
  const script = `set -e
    docker run -d --name ev -v evv:/v busybox sleep 600
    docker exec ev true; docker pause ev; docker unpause ev
    docker cp /etc/hostname ev:/tmp/; docker cp ev:/tmp/hostname - ; docker rename ev ev2; docker update -m 100m ev2
    docker restart -t 0 ev2; docker top ev2; docker export ev2; docker commit ev2 evi; docker tag evi evj; docker save evi
    docker rmi evi evj; docker network create evn; docker network connect evn ev2; docker network disconnect evn ev2; docker network rm evn
    timeout -s KILL 1 docker attach --no-stdin --sig-proxy=false ev2 2>/dev/null || true
    docker kill ev2; docker start ev2; docker stop -t 0 ev2; docker rm ev2; docker volume rm evv
    docker container prune -f; docker volume prune -f; docker network prune -f; docker image prune -f`;
  const ran = await run(
    ["setpriv", "--reuid=4343", "--regid=4242", "--clear-groups", "sh", "-c", `{ ${script}; } >/dev/null`],
    { env: { DOCKER_HOST: `unix://${daemon.socket}`, HOME: "/nonexistent" } },
  );
  expect(ran.stderr.replace("Killed\n", "")).toBe("");
  expect(ran.status).toBe(0);
  await until("the events are written", () =>
    stored().some(({ type, action }) => type === "volume" && action === "prune"),
  );
  const rows = stored().slice(begin);
  const asked = rows.filter(({ type, action }) => !own.has(`${type} ${action.split(":")[0]}`));
  for (const { type, action, caller } of asked)
    expect({ type, action, caller }).toEqual({
      type,
      action,
      caller: { via: "unix", uid: 4343, gid: 4242, pid: expect.any(Number) as number },
    });
  // and so says the API
  const now = (Date.now() / 1000).toFixed(3);
  const told = await (await daemon.request("GET", `/v1.51/events?since=1&until=${now}`)).text();
  const pause = told.split("\n").find((line) => line.includes('"Action":"pause"')) ?? "{}";
  expect(JSON.parse(pause)).toMatchObject({ Caller: { Via: "unix", Uid: 4343, Gid: 4242 } });
  const verbs = new Set(asked.map(({ type, action }) => `${type} ${action.split(":")[0]}`));
  for (const verb of [
    "create",
    "start",
    "exec_create",
    "exec_start",
    "pause",
    "unpause",
    "extract-to-dir",
    "archive-path",
    "rename",
    "update",
    "restart",
    "top",
    "export",
    "commit",
    "attach",
    "kill",
    "stop",
    "destroy",
    "prune",
  ])
    expect(verbs).toContain(`container ${verb}`);
  for (const verb of [
    "image tag",
    "image save",
    "image untag",
    "image delete",
    "network create",
    "network connect",
    "network destroy",
    "volume create",
    "volume mount",
    "volume destroy",
    "volume prune",
  ])
    expect(verbs).toContain(verb);
}, 60_000);
