/**
 * Capabilities in the form the API takes (CAP_NET_ADMIN, ALL), sorted. What is added is not dropped, and ALL stands
 * for every other name, as in docker.
 */
export function effectiveCapabilities(
  add: readonly string[],
  drop: readonly string[],
): { CapAdd: string[] | null; CapDrop: string[] | null } {
  const added = normalized(add);
  const dropped = normalized(drop);
  for (const name of added) dropped.delete(name);
  return { CapAdd: listed(added), CapDrop: listed(dropped) };
}

function normalized(names: readonly string[]): Set<string> {
  return new Set(
    names.map((text) => {
      const name = text.trim().toUpperCase();
      return name === "ALL" || name === "RESET" || name.startsWith("CAP_") ? name : `CAP_${name}`;
    }),
  );
}

function listed(names: ReadonlySet<string>): string[] | null {
  if (names.has("ALL")) return ["ALL"];
  return names.size === 0 ? null : [...names].sort();
}
