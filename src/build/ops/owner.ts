import { closeSync, fstatSync, readFileSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { openFlags, openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { Owner } from "../files/copy-tree.ts";

/** Longer account files than any image has. */
const maxBytes = 4 * 1024 * 1024;
/** (uid_t) -1 means "leave it" to the kernel. */
const maxId = 2 ** 32 - 2;

/**
 * Numbers of `user[:group]`, names looked up in the tree's /etc/passwd and /etc/group. A number needs no entry; without
 * a group it is the user's own, or the same number. Throws `invalid` for a name that is not there.
 */
export function resolveOwner(root: string, text: string): Owner {
  const [userText = "", groupText] = text.split(":", 2);
  const users = (): string[][] => rows(root, "etc/passwd");
  const number = (value: string): number | undefined => (/^\d+$/.test(value) ? checked(value) : undefined);
  const uidNumber = number(userText);
  const user = uidNumber === undefined ? users().find(([name]) => name === userText) : undefined;
  if (uidNumber === undefined && !user)
    throw new EngineError("invalid", `unable to find user ${userText}: no matching entries in passwd file`);
  const uid = uidNumber ?? checked(user?.[2]);
  if (groupText === undefined || groupText === "") return { uid, gid: user ? checked(user[3]) : uid };
  const gidNumber = number(groupText);
  if (gidNumber !== undefined) return { uid, gid: gidNumber };
  const group = rows(root, "etc/group").find(([name]) => name === groupText);
  if (!group) throw new EngineError("invalid", `unable to find group ${groupText}: no matching entries in group file`);
  return { uid, gid: checked(group[2]) };
}

/** The tree's files are anybody's words. */
function checked(text = ""): number {
  const id = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(id <= maxId)) throw new EngineError("invalid", `${text} is no user or group id`);
  return id;
}

function rows(root: string, path: string): string[][] {
  const rootFd = openRoot(root);
  let fd = -1;
  try {
    fd = openInRoot(rootFd, path, { flags: openFlags.read | openFlags.nonBlock });
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new EngineError("invalid", `/${path} is no file`);
    if (stat.size > maxBytes) throw new EngineError("invalid", `/${path} is longer than ${maxBytes} bytes`);
    return readFileSync(fd, "utf8")
      .split("\n")
      .map((row) => row.trim().split(":"));
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENOENT" || error.code === "ENOTDIR")) return [];
    throw error;
  } finally {
    if (fd >= 0) closeSync(fd);
    closeSync(rootFd);
  }
}
