// npm stop: ends the daemon. Containers and their monitor go on; npm start finds them again.
import { ask, daemonPid, engine, stopDaemon } from "./engine.mjs";

const pid = daemonPid();
if (pid === undefined) {
  console.log("no daemon runs");
} else {
  const list = await ask("/containers/json");
  const running = list === undefined ? 0 : JSON.parse(list).length;
  await stopDaemon(pid);
  console.log(
    `stopped the daemon (pid ${pid}); ${running === 0 ? "no container runs" : `${running} ${running === 1 ? "container goes" : "containers go"} on without it`}. Data stays in ${engine.dataRoot}.`,
  );
}
