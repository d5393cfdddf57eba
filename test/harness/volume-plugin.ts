import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { until } from "./run.ts";

export interface SamplePlugin extends AsyncDisposable {
  readonly name: string;
  /** Where its volumes are. */
  readonly folder: string;
  start(): Promise<void>;
  kill(): Promise<void>;
}

const program = new URL("../fixtures/volume-plugin.ts", import.meta.url).pathname;

/** Runs the sample volume plugin as a process, its socket in `sockets` under its name. */
export async function samplePlugin(sockets: string, folder: string, name: string): Promise<SamplePlugin> {
  mkdirSync(sockets, { recursive: true });
  const socket = join(sockets, `${name}.sock`);
  let child: Bun.Subprocess | undefined;
  const plugin: SamplePlugin = {
    name,
    folder,
    async start() {
      rmSync(socket, { force: true });
      child = Bun.spawn([process.execPath, program, socket, folder], { stdio: ["ignore", "ignore", "inherit"] });
      await until("the plugin answers", () =>
        fetch("http://p/Plugin.Activate", { method: "POST", unix: socket }).then(
          (answer) => answer.ok,
          () => false,
        ),
      );
    },
    async kill() {
      child?.kill("SIGKILL");
      await child?.exited;
    },
    async [Symbol.asyncDispose]() {
      await plugin.kill();
      rmSync(socket, { force: true });
    },
  };
  await plugin.start();
  return plugin;
}
