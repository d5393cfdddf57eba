import { closeSync, rmSync } from "node:fs";
import { errorMessage } from "../../base/errors.ts";
import { listenUnix, receiveDescriptors, sendDescriptors } from "../../kernel/socket.ts";
import type { HeldDescriptor } from "../protocol.ts";
import { KeeperClient } from "./keeper-client.ts";

export interface SpareOptions {
  readonly execRoot: string;
  /** The command that starts a keeper; without one, terminals do not outlive daemon and monitor killed together. */
  readonly keeper: (() => readonly string[]) | undefined;
  readonly log: (level: "debug" | "warn", message: string) => void;
}

/**
 * The daemon's copies of terminals and stdin ends: with them these outlive the monitor. The monitor sends them to the
 * listening socket `path`; terminals of containers go on to the keeper.
 */
export class SpareDescriptors {
  readonly path: string;
  readonly #options: SpareOptions;
  readonly #held = new Map<string, { owner: HeldDescriptor; fd: number }>();
  /** Those that the keeper has too, as it names them. */
  readonly #kept = new Set<string>();
  readonly #keeper: KeeperClient | undefined;
  #listener = -1;

  constructor(path: string, options: SpareOptions) {
    this.path = path;
    this.#options = options;
    const { execRoot, keeper } = options;
    if (keeper) this.#keeper = new KeeperClient({ execRoot, command: keeper, onLost: () => this.#keepAgain() });
  }

  /** Listens, and takes back what the keeper has of an earlier daemon. */
  async open(): Promise<void> {
    rmSync(this.path, { force: true });
    this.#listener = listenUnix(this.path);
    await this.#keeper?.recall(this.path);
    this.receive({ recalled: true });
  }

  get count(): number {
    return this.#held.size;
  }

  /** Takes what waits at the socket. */
  receive(options: { recalled?: boolean } = {}): void {
    if (this.#listener === -1) return;
    for (let message = receiveDescriptors(this.#listener); message; message = receiveDescriptors(this.#listener)) {
      const owner = JSON.parse(message.text) as HeldDescriptor;
      const name = ownerName(owner);
      for (const fd of message.fds) {
        const double = this.#held.get(name);
        if (double) closeSync(double.fd);
        this.#held.set(name, { owner, fd });
        if (options.recalled) this.#kept.add(JSON.stringify(owner));
        else this.#keep(owner, fd);
      }
    }
  }

  /** Sends copies of all to the socket of a successor of the monitor. */
  sendTo(path: string): void {
    for (const { owner, fd } of this.#held.values()) sendDescriptors(path, JSON.stringify(owner), [fd]);
  }

  /** Lets go of what belongs to a container and its execs. */
  forget(id: string): void {
    for (const { owner } of [...this.#held.values()]) if (owner.id === id) this.release(owner);
  }

  /** Lets go of what belongs to containers that are not among these. */
  retain(ids: (id: string) => boolean): void {
    for (const { owner } of [...this.#held.values()]) if (!ids(owner.id)) this.release(owner);
  }

  release(owner: { readonly id: string; readonly execId?: string }): void {
    const name = ownerName(owner);
    const entry = this.#held.get(name);
    if (!entry) return;
    this.#held.delete(name);
    closeSync(entry.fd);
    const kept = JSON.stringify(entry.owner);
    if (!this.#kept.delete(kept)) return;
    this.#keeper
      ?.drop(kept)
      .catch((error: unknown) => this.#options.log("debug", `the keeper: ${errorMessage(error)}`));
  }

  /** Closes our copies; the keeper's stay. */
  async close(): Promise<void> {
    if (this.#listener === -1) return;
    for (const { fd } of this.#held.values()) closeSync(fd);
    this.#held.clear();
    closeSync(this.#listener);
    this.#listener = -1;
    await this.#keeper?.close();
  }

  /** Gives the keeper a copy of a container's terminal. Ends of stdin are not for it: their end must be seen at once. */
  #keep(owner: HeldDescriptor, fd: number): void {
    const name = JSON.stringify(owner);
    if (!this.#keeper || owner.what !== "pty" || owner.execId !== undefined || this.#kept.has(name)) return;
    this.#kept.add(name);
    // by then the terminal may be gone, and its number another's
    const still = (): number | undefined => [...this.#held.values()].find((held) => held.owner === owner)?.fd;
    this.#keeper
      .keep(name, () => (still() === fd ? fd : undefined))
      .catch((error: unknown) => {
        this.#kept.delete(name);
        this.#options.log("warn", `the terminal of ${owner.id} is not kept: ${errorMessage(error)}`);
      });
  }

  #keepAgain(): void {
    if (this.#listener === -1) return;
    this.#kept.clear();
    for (const { owner, fd } of this.#held.values()) this.#keep(owner, fd);
  }
}

const ownerName = ({ id, execId }: { readonly id: string; readonly execId?: string }): string =>
  execId === undefined ? id : `${id} ${execId}`;
