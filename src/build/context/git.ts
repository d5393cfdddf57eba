import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import type { ProxySettings } from "../../distribution/http/proxies.ts";
import { openInRoot, openRoot } from "../../kernel/openat2.ts";
import { closeSync, readlinkSync } from "node:fs";

/** A git repository at a commit, and a folder in it. */
export interface GitSource {
  readonly remote: string;
  /** Branch, tag or commit; empty = the default branch. */
  readonly ref: string;
  readonly subfolder: string;
  readonly checksum: string;
  readonly submodules: boolean;
}

/** `repo#ref:subdir`, `repo?ref=&subdir=&checksum=`. Throws `invalid`. */
export function parseGitUrl(url: string): GitSource {
  const [beforeHash, fragment] = splitAt(url, "#");
  const isPlain = /^[a-z+]+:\/\//i.test(beforeHash);
  const [base, query] = isPlain ? splitAt(beforeHash, "?") : [beforeHash, undefined];
  const remote = base.startsWith("github.com/") ? `https://${base}` : base;
  // an argument that begins with a dash would be an option of git
  if (remote.startsWith("-")) throw new EngineError("invalid", `invalid git repository ${JSON.stringify(url)}`);
  let [ref = "", subfolder = ""] = fragment === undefined ? [] : splitAt(fragment, ":");
  let checksum = "";
  let submodules = true;
  for (const [key, value] of new URLSearchParams(query ?? "")) {
    if (key === "ref" || key === "tag" || key === "branch") ref = value;
    else if (key === "subdir") subfolder = value;
    else if (key === "checksum" || key === "commit") checksum = value;
    else if (key === "submodules") submodules = value !== "false" && value !== "0";
    else if (key === "keep-git-dir") continue;
    else throw new EngineError("invalid", `unexpected query ${JSON.stringify(key)} in git URL ${url}`);
  }
  if (ref.startsWith("-")) throw new EngineError("invalid", `invalid git ref ${JSON.stringify(ref)}`);
  return { remote, ref, subfolder, checksum, submodules };
}

function splitAt(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

const gitTimeoutMs = 30 * 60_000;

/** Fetches one commit, without its history, into a new folder. Gives the folder that was asked for in it. */
export async function checkoutGit(
  source: GitSource,
  options: { folder: string; keepGitDir: boolean; checksum?: string; signal: AbortSignal; proxies: ProxySettings },
): Promise<{ commit: string; root: string }> {
  const { folder, signal } = options;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const git = (...args: string[]): Promise<string> => runGit(args, { cwd: folder, signal, proxies: options.proxies });
  await git("init", "--quiet");
  await git("remote", "add", "origin", "--", source.remote);
  const ref = source.ref || "HEAD";
  const isCommit = /^[0-9a-f]{40}$/.test(ref);
  try {
    await git("fetch", "--quiet", "--depth", "1", "--no-tags", "origin", "--", ref);
  } catch (error) {
    // a server that gives no single commits: the whole history
    if (!isCommit) throw error;
    await git("fetch", "--quiet", "--no-tags", "origin");
  }
  await git("checkout", "--quiet", "--detach", isCommit ? ref : "FETCH_HEAD");
  const commit = (await git("rev-parse", "HEAD")).trim();
  const wanted = options.checksum || source.checksum;
  if (wanted !== "" && !commit.startsWith(wanted))
    throw new EngineError("invalid", `expected checksum to match ${wanted}, got ${commit}`, { commit });
  if (source.submodules && existsSync(join(folder, ".gitmodules")))
    await git("submodule", "update", "--quiet", "--init", "--recursive", "--depth", "1");
  if (!options.keepGitDir) await rm(join(folder, ".git"), { recursive: true, force: true });
  return { commit, root: await inside(folder, source.subfolder) };
}

/** A folder of the repository; links in it never lead out. */
async function inside(root: string, path: string): Promise<string> {
  if (path === "") return root;
  const rootFd = openRoot(root);
  let fd = -1;
  try {
    fd = openInRoot(rootFd, path);
    const found = readlinkSync(`/proc/self/fd/${fd}`);
    if (!(await stat(found)).isDirectory()) throw new Error("no folder");
    return found;
  } catch {
    throw new EngineError("not-found", `git repository has no folder ${JSON.stringify(path)}`, { path });
  } finally {
    if (fd >= 0) closeSync(fd);
    closeSync(rootFd);
  }
}

/** The first thing that git calls fatal, which the rest follows from. */
function reason(errors: string): string {
  const lines = errors.trim().split("\n");
  return lines.find((line) => line.startsWith("fatal: ")) ?? lines.at(-1) ?? "";
}

function runGit(
  args: readonly string[],
  options: { cwd: string; signal: AbortSignal; proxies: ProxySettings },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn("git", ["-c", "core.hooksPath=/dev/null", ...args], {
    cwd: options.cwd,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: gitTimeoutMs,
    signal: options.signal,
    env: {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: "/nonexistent", // settings of this host's users are no part of a build
      GIT_TERMINAL_PROMPT: "0",
      GIT_CONFIG_NOSYSTEM: "1",
      // neither a Dockerfile nor a repository's submodules read this host's files or run its programs
      GIT_ALLOW_PROTOCOL: "http:https:git:ssh",
      // nor do they use the keys of this host's users
      GIT_SSH_COMMAND: "ssh -F /dev/null -o IdentityFile=none -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
      http_proxy: options.proxies.http,
      https_proxy: options.proxies.https,
      no_proxy: options.proxies.no,
    },
  });
  let [out, error] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out = (out + chunk.toString("utf8")).slice(-64 * 1024);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    error = (error + chunk.toString("utf8")).slice(-4 * 1024);
  });
  child.once("error", (cause) => {
    if (options.signal.aborted) return; // its exit follows: until then it writes
    reject(
      new EngineError(
        "unavailable",
        `git cannot be run: ${cause.message}: is it installed on the daemon's host?`,
        {},
        { cause },
      ),
    );
  });
  child.once("exit", () => {
    if (options.signal.aborted) reject(new EngineError("cancelled", "the build was cancelled"));
  });
  child.once("close", (code) => {
    if (code === 0) resolve(out);
    else
      reject(
        new EngineError("invalid", `git ${args[0] ?? ""} failed: ${reason(error)}`, {
          exitCode: code,
        }),
      );
  });
  return promise;
}
