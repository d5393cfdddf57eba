import { createHash } from "node:crypto";
import type { RunMount } from "../dockerfile/run-mount.ts";
import type { CopyAction, FilesOp, RunOp } from "../graph.ts";
import type { BuildRequest } from "../build.ts";

// Keys of the cache: what a step does, and the names of what it reads. Never in one: values of secrets, agents,
// proxies, addresses of extra hosts, content of cache mounts, times.

/** Raised when what a key is made of changes: older keys are then never found. */
const version = 1;

export const keyOf = (kind: string, parts: unknown): string =>
  `${kind}:${createHash("sha256")
    .update(JSON.stringify([version, kind, parts]))
    .digest("hex")}`;

/** What a RUN does, apart from its file systems. */
export function runDefinition(
  op: RunOp,
  request: Pick<BuildRequest, "hostname" | "extraHosts" | "limits" | "network">,
): unknown {
  return {
    args: op.args,
    env: op.env,
    cwd: op.cwd,
    user: op.user,
    script: op.script,
    network: op.network === "default" ? request.network : op.network,
    security: op.security,
    hostname: request.hostname,
    hosts: request.extraHosts.map((row) => row.split(/[:=]/, 1)[0]),
    ulimits: request.limits.ulimits,
    shm: request.limits.shmSizeBytes,
    mounts: op.mounts.map(({ mount }) => mountDefinition(mount)),
  };
}

function mountDefinition(mount: RunMount): unknown {
  const { type, target, readOnly, source, id, sizeBytes, mode, uid, gid, env, required } = mount;
  switch (type) {
    case "bind":
      return { type, target, readOnly, source };
    case "cache":
      return { type, target, readOnly, id: id || target };
    case "tmpfs":
      return { type, target, sizeBytes };
    case "secret":
      return { type, target, id, mode, uid, gid, env, required };
    case "ssh":
      return { type, target, id, mode, uid, gid, required };
  }
}

/** What a COPY, ADD or WORKDIR does, apart from the files. */
export function filesDefinition(op: FilesOp): unknown {
  const { action } = op;
  if (action.kind === "mkdir") return action;
  const { destination, owner, mode, parents, excludes, instruction } = action;
  return {
    destination,
    owner,
    mode,
    parents,
    excludes,
    instruction,
    link: op.link,
    sources: sourceDefinitions(action),
  };
}

function sourceDefinitions(action: CopyAction): unknown[] {
  return action.sources.map((source) => {
    switch (source.kind) {
      case "paths":
        // names matter only by where they go, which the digest of the content holds
        return { kind: "paths", count: source.patterns.length, unpack: source.unpack };
      case "text":
        return source;
      case "url":
        return { kind: "url", url: source.url, unpack: source.unpack, checksum: source.checksum };
      case "git":
        return { kind: "git", keepGitDir: source.keepGitDir };
    }
  });
}
