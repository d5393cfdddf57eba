import { existsSync } from "node:fs";
import { EngineError, errorMessage } from "../../base/errors.ts";
import type { MapElement } from "../../kernel/nft/elements.ts";
import { type KernelClient, KernelFailure } from "../sandbox/kernel-client.ts";
import { bridgeElements } from "./bridge-elements.ts";
import { planDockerUser } from "./docker-user.ts";
import type { FirewalledBridge } from "./firewalled-bridge.ts";
import { type FirewallState, ruleset } from "./ruleset.ts";

const programsWithinMs = 15_000;

/** Keeps the kernel's rules equal to what the engine wants; one writer at a time. */
export class Firewall {
  readonly #kernel: KernelClient;
  readonly #state: () => Omit<FirewallState, "marked">;
  readonly #warn: (text: string) => void;
  /** Grows with every change of what `state` gives. */
  #wanted = 0;
  #running: Promise<void> | undefined;
  #warnedOfPolicy = false;
  #ended = false;

  constructor(options: {
    kernel: KernelClient;
    state: () => Omit<FirewallState, "marked">;
    warn: (text: string) => void;
  }) {
    this.#kernel = options.kernel;
    this.#state = options.state;
    this.#warn = options.warn;
  }

  /** Ports changed: a table that is being written right now must be written again. */
  touch(): void {
    this.#wanted += 1;
  }

  /** Writes the whole table (and the rules beside dockerd's); what is asked for while it runs is included. */
  install(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    this.#wanted += 1;
    this.#running ??= this.#write().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** A network more: its elements alone, or the whole table where that is not as it should be. */
  addBridge(bridge: FirewalledBridge): Promise<void> {
    return this.#changeBridge({ add: bridgeElements(bridge), remove: [] });
  }

  removeBridge(bridge: FirewalledBridge): Promise<void> {
    return this.#changeBridge({ add: [], remove: bridgeElements(bridge) });
  }

  async #changeBridge(change: { add: MapElement[]; remove: MapElement[] }): Promise<void> {
    if (this.#ended) return;
    this.touch();
    try {
      await this.#kernel.call({ op: "elements", table: this.#state().table, ...change });
    } catch (error) {
      if (!(error instanceof KernelFailure)) throw error;
      await this.install();
    }
  }

  /** Takes everything away that install put there. */
  async uninstall(): Promise<void> {
    this.#ended = true; // the watch will see the table go
    await this.#running;
    const { table } = this.#state();
    await run(["nft", "-f", "-"], `table inet ${table}\ndelete table inet ${table}\n`);
    await this.#besideDocker(false);
  }

  async #write(): Promise<void> {
    for (;;) {
      const writing = this.#wanted;
      const state = this.#state();
      await this.#kernel.call({ op: "writing", on: true });
      try {
        const marked = await this.#besideDocker(true);
        await run(["nft", "-f", "-"], ruleset({ ...state, marked }));
        await this.#kernel.call({ op: "installed", table: state.table });
      } finally {
        await this.#kernel.call({ op: "writing", on: false });
      }
      if (writing === this.#wanted) return;
    }
  }

  /** Says whether packets must carry the mark. */
  async #besideDocker(wanted: boolean): Promise<boolean> {
    const programs = ["iptables", "ip6tables"].filter((program) => Bun.which(program) !== null); // none: no policy of its making
    const marked = await Promise.all(
      programs.map(async (program) => {
        try {
          return await this.#acceptInDocker(program, wanted);
        } catch {
          // Another program changed the chain between the look and the change.
          return this.#acceptInDocker(program, wanted).catch((error: unknown) => {
            this.#warn(`cannot change the ${program} rules: ${errorMessage(error)}`);
            return false;
          });
        }
      }),
    );
    return marked.includes(true);
  }

  async #acceptInDocker(program: string, wanted: boolean): Promise<boolean> {
    const plan = planDockerUser(await run([program, "-w", "5", "-S"], ""), this.#state().table, {
      wanted,
      exists: (link) => existsSync(`/sys/class/net/${link}`),
    });
    if (plan.script !== "") await run([`${program}-restore`, "-w", "5", "--noflush"], plan.script);
    if (plan.blocked && wanted) this.#warnOfPolicy(program);
    return plan.marked;
  }

  #warnOfPolicy(program: string): void {
    const bridges = this.#state().bridges.map(({ name }) => name);
    if (this.#warnedOfPolicy || bridges.length === 0) return;
    this.#warnedOfPolicy = true;
    this.#warn(
      `the ${program} FORWARD policy is DROP: containers reach only this host, and published ports answer only on it; ` +
        `to allow more: ${bridges.map((bridge) => `${program} -I FORWARD -i ${bridge} -j ACCEPT; ${program} -I FORWARD -o ${bridge} -j ACCEPT`).join("; ")}`,
    );
  }
}

async function run(command: [string, ...string[]], input: string): Promise<string> {
  let child;
  try {
    child = Bun.spawn(command, {
      stdin: Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
      timeout: programsWithinMs,
    });
  } catch (error) {
    throw new EngineError(
      "internal",
      `cannot run ${command[0]}: install it (Debian: nftables, iptables)`,
      {},
      { cause: error },
    );
  }
  const [output, complaint, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0)
    throw new EngineError("internal", `${command.join(" ")} failed: ${complaint.trim() || `status ${status}`}`);
  return output;
}
