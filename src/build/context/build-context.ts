/**
 * Files that a build reads: the build context or a named one. What backs it (a tar, a folder, a git repository, a
 * client's session) decides what `fetch` does; steps only see a folder on this host.
 */
export interface BuildContext extends AsyncDisposable {
  /**
   * Brings the paths (as COPY names them, wildcards included; `.` = everything) to this host. Called once before the
   * first step reads, with all paths of the build. Owners are root's unless the source is a file system of its own.
   */
  fetch(paths: readonly string[], signal: AbortSignal): Promise<ContextTree>;
  /** One file's bytes; undefined when it is not there. Throws `invalid` when it is longer than allowed. */
  readFile(path: string, maxBytes: number): Promise<Buffer | undefined>;
}

export interface ContextTree {
  /** Folder on this host; nobody changes it during the build. */
  readonly root: string;
  /** Where digests of its files are kept from one build to the next; empty = nowhere. */
  readonly knownFile: string;
}
