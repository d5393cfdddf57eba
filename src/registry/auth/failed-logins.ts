import { Refusal } from "../refusal.ts";

const windowMs = 60_000;
/** Of one name from one address: people mistype a few times. */
const maxPerName = 10;
/** Of all names from one address: many people may be behind it. */
const maxPerAddress = 60;
const maxRemembered = 20_000;

/** Slows down who guesses passwords: after too many wrong ones within a minute, right ones are not looked at either. */
export class FailedLogins {
  readonly #counts = new Map<string, { count: number; untilMs: number }>();

  /** Throws TOOMANYREQUESTS. */
  check(address: string, name: string): void {
    const waitMs = Math.max(this.#wait(keyOf(address, name), maxPerName), this.#wait(address, maxPerAddress));
    if (waitMs <= 0) return;
    throw new Refusal("TOOMANYREQUESTS", "too many failed logins: try again later", {
      headers: { "Retry-After": String(Math.ceil(waitMs / 1000)) },
    });
  }

  failed(address: string, name: string): void {
    for (const key of [keyOf(address, name), address]) {
      const known = this.#counts.get(key);
      const over = known === undefined || known.untilMs <= Date.now();
      this.#counts.delete(key); // the newest are last
      this.#counts.set(key, over ? { count: 1, untilMs: Date.now() + windowMs } : { ...known, count: known.count + 1 });
    }
    for (const key of this.#counts.keys()) {
      if (this.#counts.size <= maxRemembered) break;
      this.#counts.delete(key);
    }
  }

  succeeded(address: string, name: string): void {
    this.#counts.delete(keyOf(address, name));
  }

  #wait(key: string, max: number): number {
    const known = this.#counts.get(key);
    return known === undefined || known.count < max ? 0 : known.untilMs - Date.now();
  }
}

const keyOf = (address: string, name: string): string => `${address} ${name.slice(0, 64)}`;
