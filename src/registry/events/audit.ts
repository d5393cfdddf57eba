import { appendFileSync, renameSync, rmSync, statSync } from "node:fs";
import { errorMessage } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Happening } from "./happening.ts";

const flushMs = 50;
const maxWaitingBytes = 256 * 1024;

/** Who did what, a JSON object a line, in a file that rotates: `audit.log`, `audit.log.1`, ... */
export class AuditLog implements Disposable {
  readonly #path: string;
  readonly #options: { pulls: boolean; maxFileBytes: number; maxFiles: number };
  readonly #log: Logger;
  #waiting = "";
  #timer: NodeJS.Timeout | undefined;
  #bytes: number;

  constructor(path: string, options: { pulls: boolean; maxFileBytes: number; maxFiles: number }, log: Logger) {
    this.#path = path;
    this.#options = options;
    this.#log = log;
    this.#bytes = sizeOf(path);
  }

  /** Written within a moment, all that wait at once. */
  write({ action, caller, repository, target, fromRepository, note }: Happening): void {
    if (action === "pull" && !this.#options.pulls) return;
    const who = caller.kind === "anonymous" ? "anonymous" : `${caller.kind}:${caller.name}`;
    this.#line({
      action,
      who,
      address: caller.address === "" ? "local" : caller.address,
      repository,
      tag: target?.tag,
      digest: target?.digest,
      from: fromRepository,
      note,
      userAgent: caller.userAgent,
    });
  }

  /** A password was wrong; whose name it was is not proven. */
  loginFailed(name: string, address: string): void {
    this.#line({ action: "login-failed", name: name.slice(0, 128), address });
  }

  #line(members: Record<string, unknown>): void {
    this.#waiting += `${JSON.stringify({ time: new Date().toISOString(), ...members })}\n`;
    if (this.#waiting.length > maxWaitingBytes) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), flushMs);
  }

  [Symbol.dispose](): void {
    this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#waiting;
    this.#waiting = "";
    if (text === "") return;
    try {
      if (this.#bytes > 0 && this.#bytes + text.length > this.#options.maxFileBytes) this.#rotate();
      appendFileSync(this.#path, text, { mode: 0o600 });
      this.#bytes += Buffer.byteLength(text);
    } catch (error) {
      this.#log.error("the audit log cannot be written", {
        error: errorMessage(error),
        lost: text.split("\n").length - 1,
      });
    }
  }

  #rotate(): void {
    const { maxFiles } = this.#options;
    rmSync(`${this.#path}.${maxFiles - 1}`, { force: true });
    for (let n = maxFiles - 2; n >= 0; n -= 1) {
      const from = n === 0 ? this.#path : `${this.#path}.${n}`;
      if (sizeOf(from) > 0) renameSync(from, `${this.#path}.${n + 1}`);
    }
    this.#bytes = 0;
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
