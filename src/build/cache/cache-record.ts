/** What is kept of a build, as faces show it. */
export interface CacheRecord {
  readonly id: string;
  readonly parents: readonly string[];
  readonly type: "regular" | "exec.cachemount" | "source.local";
  readonly description: string;
  readonly sizeBytes: number;
  readonly createdAtNs: bigint;
  readonly lastUsedAtNs: bigint;
  readonly usageCount: number;
  /** A build works with it now. */
  readonly inUse: boolean;
  /** An image has the same layer: removing it frees nothing. */
  readonly shared: boolean;
}
