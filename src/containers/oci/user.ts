import { closeSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { openRoot } from "../../kernel/openat2.ts";
import { readInRoot } from "./read-in-root.ts";

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** The gid itself first (CVE-2022-36109), then the supplementary groups. */
  readonly additionalGids: readonly number[];
  /** For HOME. */
  readonly home: string;
}

const maximumId = 2 ** 31 - 1; // Docker's bound; beyond it runtimes wrap around to root (CVE-2024-40635)
const maximumFileBytes = 8 * 1024 * 1024; // 100,000 users; images come from strangers

/**
 * Finds `user[:group]` and additional groups in /etc/passwd and /etc/group as they lie inside the rootfs; names of
 * the host are never asked. A missing file is an empty one. Throws Docker's texts.
 */
export function resolveUser(rootfs: string, request: { user: string; groups: readonly string[] }): ResolvedUser {
  const root = openRoot(rootfs);
  try {
    return findUser(
      readInRoot(root, "/etc/passwd", maximumFileBytes),
      readInRoot(root, "/etc/group", maximumFileBytes),
      request,
    );
  } finally {
    closeSync(root);
  }
}

/** The same from the files' texts. */
export function findUser(
  passwd: string,
  group: string,
  { user, groups }: { user: string; groups: readonly string[] },
): ResolvedUser {
  const [userPart = "", groupPart = ""] = user.split(":");
  const wantedUid = userPart === "" ? 0 : parseId(userPart);
  const entry = rows(passwd, 4).find(([name, , uid]) =>
    wantedUid === undefined ? name === userPart : parseId(uid ?? "") === wantedUid,
  );
  if (!entry && wantedUid === undefined)
    throw new EngineError("invalid", `unable to find user ${userPart}: no matching entries in passwd file`, { user });
  const uid = checked(wantedUid ?? parseId(entry?.[2] ?? ""));
  const groupRows = rows(group, 3);
  const name = entry?.[0];
  const gid =
    groupPart === "" ? checked(parseId(entry?.[3] ?? "0")) : findGroup(groupRows, groupPart, "unable to find group");
  // memberships count only for a group that was not said
  const member =
    groupPart !== "" || !name
      ? []
      : groupRows
          .filter((row) => (row[3] ?? "").split(",").includes(name))
          .map((row) => checked(parseId(row[2] ?? "")));
  const added = groups.map((wanted) => findGroup(groupRows, wanted, "Unable to find group"));
  return { uid, gid, additionalGids: [...new Set([gid, ...member, ...added])], home: entry?.[5] || "/" };
}

function findGroup(groupRows: readonly string[][], wanted: string, lead: string): number {
  const id = parseId(wanted);
  if (id !== undefined) return checked(id);
  const row = groupRows.find(([name]) => name === wanted);
  if (!row) throw new EngineError("invalid", `${lead} ${wanted}: no matching entries in group file`, { group: wanted });
  return checked(parseId(row[2] ?? ""));
}

/** Fields of the lines that have enough of them; comments and NIS rows (+name) are none. */
function rows(text: string, fields: number): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^[#+-]/.test(line))
    .map((line) => line.split(":"))
    .filter((row) => row.length >= fields);
}

/** Decimal digits with a sign, as Go's Atoi; undefined = a name. `0x0` and ` 0` are names, and such names do not exist. */
const parseId = (text: string): number | undefined => (/^[+-]?\d+$/.test(text) ? Number(text) : undefined);

function checked(id: number | undefined): number {
  // a broken number in the image's file must not become 0
  if (id === undefined || id < 0 || id > maximumId)
    throw new EngineError("invalid", `uids and gids must be in range 0-${maximumId}`);
  return id;
}
