import {
  changeElements,
  foreignChainState,
  type MapElement,
  rulesetGeneration,
  tableState,
} from "../../kernel/nft/elements.ts";
import type { HostSockets } from "./host.ts";

const sets = [
  ...["any4", "at4", "any6", "at6", "routed4", "routed6", "bridges", "same", "internal", "proxied6"],
  ...["outward4", "outward6", "unprotected4", "unprotected6", "source4", "source6", "hairpin4", "hairpin6"],
];

/** The table as the engine left it; undefined until it was installed once. */
let expected: { shape: string; elements: Map<string, number>; besideDocker: string } | undefined;
let table = "";
let timer: Timer | undefined;
let writing = false;
/** The ruleset's generation at which the table was as expected. */
let seen = -1;

/**
 * Looks for a lost or damaged table. Asking for the generation costs one pair of system calls; only when somebody else
 * moved it is our table compared.
 */
export function watchRules(host: HostSockets, options: { intervalMs: number }, onLost: () => void): void {
  timer = setInterval(() => {
    if (writing) return;
    const generation = rulesetGeneration(host.netfilter);
    if (generation === seen || expected === undefined) return;
    if (isIntact(host)) {
      seen = generation;
      return;
    }
    seen = -1; // look again until it is whole
    onLost();
  }, options.intervalMs);
}

function isIntact(host: HostSockets): boolean {
  const state = tableState(host.netfilter, table, sets);
  return (
    state !== undefined &&
    state.shape === expected?.shape &&
    sets.every((set) => state.elements.get(set) === expected?.elements.get(set)) &&
    besideDocker(host) === expected.besideDocker
  );
}

export function unwatchRules(): void {
  clearInterval(timer);
}

/** Between the program that writes the table and our look at what it wrote nobody shall take it for damaged. */
export function rulesWriting(on: boolean): void {
  writing = on;
}

/** The whole table was written by the engine just now: this is how it shall be. False when it is gone already. */
export function rulesInstalled(host: HostSockets, name: string): boolean {
  table = name;
  seen = -1;
  const state = tableState(host.netfilter, name, sets);
  expected =
    state === undefined
      ? undefined
      : {
          shape: state.shape,
          elements: new Map(state.elements),
          besideDocker: besideDocker(host),
        };
  return state !== undefined;
}

/** Our rules in dockerd's chain (docker-user.ts), as iptables-nft keeps them. iptables-legacy cannot be watched this way. */
function besideDocker(host: HostSockets): string {
  const families = [2 /* NFPROTO_IPV4 */, 10 /* NFPROTO_IPV6 */];
  return families
    .map((family) =>
      foreignChainState(host.netfilter, {
        family,
        table: "filter",
        base: "FORWARD",
        chain: "DOCKER-USER",
        mark: table,
      }),
    )
    .join("; ");
}

/** Adds and removes elements of the table, all or none, and remembers how many there shall be. */
export function changePublished(
  host: HostSockets,
  name: string,
  changes: { add: readonly MapElement[]; remove: readonly MapElement[] },
): void {
  changeElements(host.netfilter, name, changes);
  // Nobody else's change came between: nothing to compare.
  const generation = rulesetGeneration(host.netfilter);
  if (seen >= 0 && generation === seen + 1) seen = generation;
  for (const { map } of changes.add) count(map, 1);
  for (const { map } of changes.remove) count(map, -1);
}

function count(map: string, by: number): void {
  expected?.elements.set(map, (expected.elements.get(map) ?? 0) + by);
}
