import { EngineError } from "../../base/errors.ts";

/** `755`, or clauses of `u=rwX,go-w`. */
export type ModeChange = { readonly octal: number } | { readonly clauses: readonly Clause[] };

interface Clause {
  readonly who: string;
  readonly changes: readonly { readonly operator: string; readonly bits: string }[];
}

/** Reads `--chmod`. Throws `invalid`. */
export function readMode(text: string): ModeChange {
  const octal = /^0?o?([0-7]{1,4})$/.exec(text)?.[1];
  if (octal !== undefined) return { octal: Number.parseInt(octal, 8) };
  const clauses = text.split(",").map((part): Clause => {
    const found = /^([ugoa]*)((?:[-+=][rwxXst]*)+)$/.exec(part);
    if (!found) throw new EngineError("invalid", `invalid chmod parameter: '${text}'`);
    const changes = [...(found[2] ?? "").matchAll(/([-+=])([rwxXst]*)/g)].map(([, operator = "", bits = ""]) => ({
      operator,
      bits,
    }));
    return { who: found[1] || "a", changes };
  });
  return { clauses };
}

const shifts = { u: 6, g: 3, o: 0 } as const;

/** chmod(1) over a mode. */
export function applyMode(change: ModeChange, mode: number, isFolder: boolean): number {
  if ("octal" in change) return change.octal;
  let now = mode & 0o7777;
  for (const { who, changes } of change.clauses) {
    const classes = who.includes("a")
      ? (["u", "g", "o"] as const)
      : (["u", "g", "o"] as const).filter((c) => who.includes(c));
    for (const { operator, bits } of changes) {
      let mask = 0;
      for (const name of classes) {
        let own = 0;
        if (bits.includes("r")) own |= 4;
        if (bits.includes("w")) own |= 2;
        if (bits.includes("x") || (bits.includes("X") && (isFolder || (now & 0o111) !== 0))) own |= 1;
        mask |= own << shifts[name];
        if (bits.includes("s") && name === "u") mask |= 0o4000;
        if (bits.includes("s") && name === "g") mask |= 0o2000;
      }
      if (bits.includes("t")) mask |= 0o1000;
      if (operator === "+") now |= mask;
      else if (operator === "-") now &= ~mask;
      else {
        for (const name of classes) now &= ~(7 << shifts[name]);
        now |= mask;
      }
    }
  }
  return now;
}
