import { ExitError } from "../exit-error.ts";

/** What a command with several actions is to do: `add NAME`, `rm NAME`, `ls`. */
export function readAction<const Action extends string>(
  args: readonly string[],
  actions: Readonly<Record<Action, { readonly min: number; readonly max: number }>>,
): { action: Action; names: readonly string[] } {
  const [word = "", ...names] = args;
  const known = Object.keys(actions) as Action[];
  const action = known.find((name) => name === word);
  if (action === undefined) throw new ExitError(1, `unknown action ${JSON.stringify(word)}: want ${known.join(", ")}`);
  const { min, max } = actions[action];
  if (names.length < min || names.length > max)
    throw new ExitError(1, `${action} takes ${min === max ? min : `${min} to ${max}`} name${max === 1 ? "" : "s"}`);
  return { action, names };
}

/** `team/**=pull,push` as the API wants it. */
export function readGrants(texts: readonly string[]): { repositories: string; actions: string[] }[] {
  return texts.map((text) => {
    const equals = text.lastIndexOf("=");
    if (equals < 1) throw new ExitError(1, `invalid grant ${JSON.stringify(text)}: want 'team/**=pull,push'`);
    return { repositories: text.slice(0, equals), actions: text.slice(equals + 1).split(",") };
  });
}

export const grantText = (grants: readonly { repositories: string; actions: readonly string[] }[]): string =>
  grants.map(({ repositories, actions }) => `${repositories}=${actions.join(",")}`).join(" ");

/** `30d`, `12h`, `90m` in milliseconds. */
export function readSpan(text: string): number {
  const [, number, unit = ""] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }[unit];
  if (number === undefined || unitMs === undefined)
    throw new ExitError(1, `invalid time ${JSON.stringify(text)}: want 30d, 12h or 90m`);
  return Number(number) * unitMs;
}
