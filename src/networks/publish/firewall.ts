import { existsSync } from "node:fs";
import { EngineError, errorMessage } from "../../base/errors.ts";
import type { KernelClient } from "../sandbox/kernel-client.ts";
import { planDockerUser } from "./docker-user.ts";
import { type FirewallState, ruleset } from "./ruleset.ts";

const programsWithinMs = 15_000;

/** Keeps the kernel's rules equal to what the engine wants; one writer at a time. */
export class Firewall {
  readonly #kernel: KernelClient;
  readonly #state: () => FirewallState;
  readonly #warn: (text: string) => void;
  /** Grows with every change of what `state` gives. */
  #wanted = 0;
  #running: Promise<void> | undefined;
  #warnedOfPolicy = false;
  #ended = false;

  constructor(options: { kernel: KernelClient; state: () => FirewallState; warn: (text: string) => void }) {
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

  /** Takes everything away that install put there. */
  async uninstall(): Promise<void> {
    this.#ended = true; // the watch will see the table go
    await this.#running;
    const { table } = this.#state();
    await run(["nft", "-f", "-"], `table inet ${table}\ndelete table inet ${table}\n`);
    await this.#besideDocker([]);
  }

  async #write(): Promise<void> {
    for (;;) {
      const writing = this.#wanted;
      const state = this.#state();
      await run(["nft", "-f", "-"], ruleset(state));
      await this.#besideDocker(state.bridges.map(({ name }) => name));
      await this.#kernel.call({ op: "installed", table: state.table });
      if (writing === this.#wanted) return;
    }
  }

  async #besideDocker(bridges: readonly string[]): Promise<void> {
    for (const program of ["iptables", "ip6tables"]) {
      if (Bun.which(program) === null) continue; // no iptables: no policy of its making
      try {
        await this.#acceptInDocker(program, bridges);
      } catch {
        // Another program changed the chain between the look and the change.
        await this.#acceptInDocker(program, bridges).catch((error: unknown) =>
          this.#warn(`cannot change the ${program} rules: ${errorMessage(error)}`),
        );
      }
    }
  }

  async #acceptInDocker(program: string, bridges: readonly string[]): Promise<void> {
    const plan = planDockerUser(await run([program, "-w", "5", "-S"], ""), this.#state().table, {
      bridges,
      exists: (link) => existsSync(`/sys/class/net/${link}`),
    });
    if (plan.script !== "") await run([`${program}-restore`, "-w", "5", "--noflush"], plan.script);
    if (plan.blocked && bridges.length > 0) this.#warnOfPolicy(program, bridges);
  }

  #warnOfPolicy(program: string, bridges: readonly string[]): void {
    if (this.#warnedOfPolicy) return;
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
