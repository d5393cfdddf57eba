/** Reads a list like `0-3,8`; undefined when it is none. Bounded: the kernel knows at most 8192 CPUs. */
export function parseCpuset(text: string): ReadonlySet<number> | undefined {
  const set = new Set<number>();
  if (text === "") return set;
  for (const part of text.split(",")) {
    const [, from, to] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    const first = Number(from);
    const last = Number(to ?? from);
    if (from === undefined || last < first || last > 8192) return undefined;
    for (let cpu = first; cpu <= last; cpu++) set.add(cpu);
  }
  return set;
}
