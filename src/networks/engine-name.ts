import { createHash } from "node:crypto";

const defaultExecRoot = "/run/berth";

/**
 * One name for what an engine owns on the host: its default bridge, its nftables table, its mark on rules beside
 * dockerd's. Several engines live on one machine, so it comes from the exec root, which two of them cannot share.
 */
export function engineName(execRoot: string): string {
  if (execRoot.replace(/\/+$/, "") === defaultExecRoot) return "berth0";
  return `berth${createHash("sha256").update(execRoot).digest("hex").slice(0, 8)}`; // 13 of at most 15 characters
}
