import { expandText } from "../dockerfile/arguments.ts";
import { SyntaxFault } from "../dockerfile/dockerfile-error.ts";
import { goList } from "../dockerfile/go-text.ts";
import type { Instruction } from "../dockerfile/instructions.ts";
import { reportUnset } from "./expand-in.ts";
import { metadataStep } from "./history-text.ts";
import type { StageState } from "./stage-state.ts";

/** EXPOSE: single ports and ranges, with or without a protocol. */
export function dispatchExpose(state: StageState, instruction: Instruction & { readonly kind: "expose" }): void {
  const words = instruction.values.flatMap((value) => {
    const expanded = expandText(value, state.lookup, state.context.file);
    reportUnset(state, expanded.unset, instruction);
    return expanded.words;
  });
  const ports: string[] = [];
  for (const word of words) {
    const [, spec = "", protocol] = /^([^/]*)(?:\/(.*))?$/.exec(word) ?? [];
    if (spec.includes(":"))
      state.context.lint.report(
        "ExposeInvalidFormat",
        `EXPOSE instruction should not define an IP address or host-port mapping, found '${word}'`,
        instruction,
      );
    if (protocol !== undefined && protocol !== protocol.toLowerCase())
      state.context.lint.report(
        "ExposeProtoCasing",
        `Defined protocol '${word}' in EXPOSE instruction should be lowercase`,
        instruction,
      );
    ports.push(...range(spec.slice(spec.lastIndexOf(":") + 1), (protocol ?? "tcp").toLowerCase(), word));
  }
  state.config = {
    ...state.config,
    ExposedPorts: { ...state.config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) },
  };
  const classic = [...words].sort().join(" ");
  metadataStep(state, `EXPOSE ${goList([...ports].sort())}`, `EXPOSE ${classic}`);
}

function range(spec: string, protocol: string, word: string): string[] {
  const found = /^(\d+)(?:-(\d+))?$/.exec(spec);
  const first = Number(found?.[1]);
  const last = Number(found?.[2] ?? first);
  if (!["tcp", "udp", "sctp"].includes(protocol)) throw new SyntaxFault(`invalid proto: ${protocol}`);
  if (!found || first < 1 || last > 65535)
    throw new SyntaxFault(`invalid containerPort: ${spec} in ${JSON.stringify(word)}: ports are 1 to 65535`);
  if (last < first) throw new SyntaxFault(`invalid range specified for port: ${spec}`);
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}
