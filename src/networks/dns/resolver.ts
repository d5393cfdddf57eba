import { closeSync, openSync } from "node:fs";
import { errorMessage } from "../../base/errors.ts";
import { enterNetns, openOwnNetns } from "../../kernel/ns.ts";
import { tcpBytesAtMost } from "./answer.ts";
import { EgressOpener } from "./egress-opener.ts";
import { askByTcp, askByUdp, type Inside } from "./exchange.ts";
import { Listener } from "./listener.ts";
import { failed, lookUp } from "./lookup.ts";
import { Names } from "./names.ts";
import { type Box, resolverAddress } from "./protocol.ts";
import type { Query } from "./query.ts";
import { askAll, HostServers, type Server } from "./upstreams.ts";

/** Questions to the outside that one container may have open. */
const openAtMost = 512;

interface Served {
  readonly listener: Listener;
  readonly egress: EgressOpener | undefined;
  /** Which namespace it is: a path may come to mean another one. */
  readonly netnsFd: number;
  open: number;
}

/** Answers containers' questions, each in its own namespace. Runs in a process of its own: it moves its thread about. */
export class Resolver {
  readonly #names = new Names();
  readonly #served = new Map<string, Served>();
  readonly #hostNetns = openOwnNetns();
  readonly #hostServers: HostServers;

  constructor(options: { hostServers?: HostServers } = {}) {
    this.#hostServers = options.hostServers ?? new HostServers();
  }

  get empty(): boolean {
    return this.#served.size === 0;
  }

  /** Names first, then the sockets, once: a box that changes keeps its sockets. */
  async put(box: Box): Promise<void> {
    const before = this.#names.get(box.id);
    this.#names.put(box);
    // With other networks the rules were written anew, and what was learned went with the old ones.
    const subnetsOf = (one: Box): string => String(one.places.flatMap(({ subnets }) => subnets));
    const sameRules =
      before !== undefined &&
      String(before.egressNames) === String(box.egressNames) &&
      (box.egressNames.length === 0 || subnetsOf(before) === subnetsOf(box));
    const same = before?.netnsPath === box.netnsPath && sameRules;
    if (same && this.#served.has(box.id)) return;
    this.#close(box.id);
    const netnsFd = openSync(box.netnsPath, "r");
    try {
      const listener = await Listener.open(this.#inside(netnsFd), (packet, transport, reply) =>
        this.#handle(box.id, packet, transport, reply),
      );
      const egress =
        box.egressNames.length === 0 ? undefined : this.#inside(netnsFd)(() => new EgressOpener(box.egressNames));
      this.#served.set(box.id, { listener, netnsFd, egress, open: 0 });
    } catch (error) {
      closeSync(netnsFd);
      throw error;
    }
  }

  drop(id: string): void {
    this.#names.drop(id);
    this.#close(id);
  }

  /** Makes the boxes all there are; gives those that could not be served. */
  async sync(boxes: readonly Box[]): Promise<Record<string, string>> {
    const wanted = new Set(boxes.map(({ id }) => id));
    for (const id of this.#names.ids()) if (!wanted.has(id)) this.drop(id);
    const failures: Record<string, string> = {};
    for (const box of boxes) {
      try {
        await this.put(box);
      } catch (error) {
        failures[box.id] = errorMessage(error);
      }
    }
    return failures;
  }

  #close(id: string): void {
    const served = this.#served.get(id);
    if (served === undefined) return;
    this.#served.delete(id);
    served.listener[Symbol.dispose]();
    served.egress?.[Symbol.dispose]();
    closeSync(served.netnsFd);
  }

  #handle(id: string, packet: Uint8Array, transport: "udp" | "tcp", reply: (answer: Uint8Array) => void): void {
    const outcome = lookUp(this.#names, id, packet, transport === "udp" ? "udp" : tcpBytesAtMost);
    if (outcome.kind === "answer") return reply(outcome.packet);
    if (outcome.kind === "ignore") return;
    // The packet's memory is the socket's and used again.
    const query = { ...outcome.query, packet: Uint8Array.from(outcome.query.packet) };
    this.#forward(id, query, transport).then(
      (answer) => reply(answer ?? failed(query)),
      () => reply(failed(query)),
    );
  }

  async #forward(id: string, query: Query, transport: "udp" | "tcp"): Promise<Uint8Array | undefined> {
    const box = this.#names.get(id);
    const served = this.#served.get(id);
    if (box === undefined || served === undefined || !box.forwards || served.open >= openAtMost) return undefined;
    const own = box.servers.filter((address) => address !== resolverAddress);
    const servers: readonly Server[] =
      box.servers.length > 0 ? own.map((address) => ({ address, port: 53 })) : this.#hostServers.list();
    const inside: Inside = box.servers.length > 0 ? this.#inside(served.netnsFd) : (body) => body();
    const ask = transport === "udp" ? askByUdp : askByTcp;
    served.open += 1;
    try {
      const answer = await askAll(servers, query.packet, (server, packet, signal) =>
        ask(server, packet, { inside, signal, questionEnd: query.questionEnd }),
      );
      if (answer !== undefined) served.egress?.open(query.name, answer);
      return answer;
    } finally {
      served.open -= 1;
    }
  }

  /** Everything that the body opens belongs to the namespace. Synchronous, so nobody else sees the thread there. */
  #inside(netnsFd: number): Inside {
    return (body) => {
      enterNetns(netnsFd);
      try {
        return body();
      } finally {
        enterNetns(this.#hostNetns);
      }
    };
  }
}
