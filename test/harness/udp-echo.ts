import { until } from "./run.ts";

const program = `Bun.udpSocket({ port: Number(process.argv[1]), socket: { data: (socket, data, port, address) => void socket.send(data, port, address) } }).then(() => console.log("ready"));`;

/** Runs a UDP server that sends back what it gets, in the network namespace of a process. */
export async function udpEcho(pid: string, port: number): Promise<AsyncDisposable> {
  const child = Bun.spawn(["nsenter", "-t", pid, "-n", process.execPath, "-e", program, String(port)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  let said = "";
  void (async () => {
    for await (const chunk of child.stdout) said += new TextDecoder().decode(chunk);
  })();
  await until("the server listens", () => said.includes("ready"));
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
