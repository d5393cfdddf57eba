import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { nowNs } from "../../base/clock.ts";
import { newId } from "../../base/id.ts";
import { SyncedFolder } from "./synced-folder.ts";

/** A client's folder that is kept from one build to the next. */
export interface KeptFolder {
  readonly id: string;
  readonly description: string;
  readonly sizeBytes: number;
  readonly createdAtNs: bigint;
  readonly lastUsedAtNs: bigint;
  readonly usageCount: number;
}

/** A folder that is being filled and then read by one build; `keep` says that it is whole. */
export interface OpenFolder extends AsyncDisposable {
  readonly folder: SyncedFolder;
  /** Ends the list and remembers the folder for the next build. */
  keep(): void;
}

/** Folders of clients, by what the client calls the same: one build at a time has each, others get one of their own. */
export class SyncedFolders {
  readonly #root: string;
  readonly #kept = new Map<string, KeptFolder>();
  readonly #busy = new Set<string>();

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    for (const id of readdirSync(root)) {
      const kept = readKept(join(root, id));
      if (kept && /^[0-9a-f]{64}$/.test(id)) this.#kept.set(id, { ...kept, id });
      else rmSync(join(root, id), { recursive: true, force: true }); // a build that did not end
    }
  }

  /** Opens the folder of `key` (empty = never the same as another). `description` is what lists show. */
  open(key: string, description: string): OpenFolder {
    const known = new Bun.CryptoHasher("sha256").update(key).digest("hex");
    const shared = key !== "" && !this.#busy.has(known);
    const id = shared ? known : `own-${newId()}`;
    const place = join(this.#root, id);
    mkdirSync(place, { recursive: true, mode: 0o700 });
    this.#busy.add(id);
    let folder: SyncedFolder;
    try {
      folder = new SyncedFolder(place);
    } catch (error) {
      this.#busy.delete(id);
      throw error;
    }
    let whole = false;
    return {
      folder,
      keep: () => {
        folder.finish();
        whole = true;
        if (!shared) return;
        const before = this.#kept.get(id);
        const now = nowNs();
        const kept: KeptFolder = {
          id,
          description,
          sizeBytes: folder.sizeBytes,
          createdAtNs: before?.createdAtNs ?? now,
          lastUsedAtNs: now,
          usageCount: (before?.usageCount ?? 0) + 1,
        };
        this.#kept.set(id, kept);
        writeKept(place, kept);
      },
      [Symbol.asyncDispose]: async () => {
        folder.close();
        this.#busy.delete(id);
        if (whole && shared) return;
        this.#kept.delete(id);
        await rm(place, { recursive: true, force: true });
      },
    };
  }

  list(): readonly (KeptFolder & { inUse: boolean })[] {
    return [...this.#kept.values()].map((kept) => ({ ...kept, inUse: this.#busy.has(kept.id) }));
  }

  /** Forgets a folder that no build has open; false when one has. Idempotent. */
  async remove(id: string): Promise<boolean> {
    if (this.#busy.has(id)) return false;
    if (!this.#kept.delete(id)) return true;
    // at once: a build may want a new one of that name while this one goes
    const gone = join(this.#root, `gone-${newId()}`);
    renameSync(join(this.#root, id), gone);
    await rm(gone, { recursive: true, force: true });
    return true;
  }
}

const bigints = new Set(["createdAtNs", "lastUsedAtNs"]);

function readKept(place: string): KeptFolder | undefined {
  try {
    return JSON.parse(readFileSync(join(place, "kept.json"), "utf8"), (name, value: unknown) =>
      bigints.has(name) ? BigInt(String(value)) : value,
    ) as KeptFolder;
  } catch {
    return undefined; // no build has come to its end with it
  }
}

function writeKept(place: string, kept: KeptFolder): void {
  const text = JSON.stringify(kept, (_name, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
  writeFileSync(join(place, "kept.json.new"), text);
  renameSync(join(place, "kept.json.new"), join(place, "kept.json"));
}
