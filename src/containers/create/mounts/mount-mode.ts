/** The words a mount's mode may hold, by kind; of each kind at most one may be given (moby parity). */
const kinds: readonly ReadonlySet<string>[] = [
  new Set(["rw", "ro"]),
  new Set(["z", "Z"]),
  new Set(["private", "rprivate", "shared", "rshared", "slave", "rslave"]),
  new Set(["nocopy"]),
  new Set(["consistent", "cached", "delegated"]),
  new Set(["O"]), // beyond Docker, podman's words: an overlay over the source, and idmap[=...]
];
const idMapWord = /^idmap(=.*)?$/;
const propagations = kinds[2] ?? new Set<string>();

/** Is it a list like `ro,z`? The empty text is. */
export function validMode(mode: string): boolean {
  if (mode === "") return true;
  const all = mode.split(",");
  const words = all.filter((word) => !idMapWord.test(word));
  if (all.length - words.length > 1) return false;
  if (words.some((word) => !kinds.some((kind) => kind.has(word)))) return false;
  return kinds.every((kind) => words.filter((word) => kind.has(word)).length <= 1);
}

export const validPropagation = (word: string): boolean => propagations.has(word);

/** What a valid mode says. */
export function readMode(mode: string): {
  readOnly: boolean;
  noCopy: boolean;
  propagation: string;
  overlay: boolean;
  /** Undefined = no map. */
  idMap: string | undefined;
} {
  const words = mode.split(",");
  return {
    readOnly: words.includes("ro"),
    noCopy: words.includes("nocopy"),
    propagation: words.find(validPropagation) ?? "",
    overlay: words.includes("O"),
    idMap: words.find((word) => idMapWord.test(word))?.replace(/^idmap=?/, ""),
  };
}
