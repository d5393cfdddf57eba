/** The words a mount's mode may hold, by kind; of each kind at most one may be given (moby parity). */
const kinds: readonly ReadonlySet<string>[] = [
  new Set(["rw", "ro"]),
  new Set(["z", "Z"]),
  new Set(["private", "rprivate", "shared", "rshared", "slave", "rslave"]),
  new Set(["nocopy"]),
  new Set(["consistent", "cached", "delegated"]),
];
const propagations = kinds[2] ?? new Set<string>();

/** Is it a list like `ro,z`? The empty text is. */
export function validMode(mode: string): boolean {
  if (mode === "") return true;
  const words = mode.split(",");
  if (words.some((word) => !kinds.some((kind) => kind.has(word)))) return false;
  return kinds.every((kind) => words.filter((word) => kind.has(word)).length <= 1);
}

export const validPropagation = (word: string): boolean => propagations.has(word);

/** What a valid mode says. */
export function readMode(mode: string): { readOnly: boolean; noCopy: boolean; propagation: string } {
  const words = mode.split(",");
  return {
    readOnly: words.includes("ro"),
    noCopy: words.includes("nocopy"),
    propagation: words.find(validPropagation) ?? "",
  };
}
