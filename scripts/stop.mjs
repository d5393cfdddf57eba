// npm stop: ends the daemon. Containers and their monitor go on; npm start finds them again.
import { berth, daemonPid, engine, stopDaemon } from "./engine.mjs";

const pid = daemonPid();
if (pid === undefined) {
  console.log("no daemon runs");
} else {
  const { status, out } = berth("ps", "-q");
  const running = status === 0 ? out.split("\n").filter(Boolean).length : 0;
  await stopDaemon(pid);
  console.log(
    `stopped the daemon (pid ${pid}); ${running === 0 ? "no container runs" : `${running} ${running === 1 ? "container goes" : "containers go"} on without it`}. Data stays in ${engine.dataRoot}.`,
  );
}
