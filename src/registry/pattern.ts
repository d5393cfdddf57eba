/** How a pattern of names is read: `*` is anything within one part, `**` over parts, all else is itself. */
export function matcher(pattern: string): (name: string) => boolean {
  if (pattern === "**") return () => true;
  const source = pattern
    .split(/(\*\*|\*)/)
    .map((piece) => (piece === "**" ? ".*" : piece === "*" ? "[^/]*" : piece.replace(/[.+?^${}()|[\]\\]/g, "\\$&")));
  // `team/**` is the team's own repository too
  const expression = new RegExp(`^${source.join("").replace(/\/\.\*$/, "(?:/.*)?")}$`);
  return (name) => expression.test(name);
}

/** Patterns come from people: more stars than this are a mistake, and slow to match. */
export const isPattern = (text: string): boolean =>
  text.length > 0 && text.length <= 255 && /^[\w./*+-]+$/.test(text) && text.split("*").length <= 8;
