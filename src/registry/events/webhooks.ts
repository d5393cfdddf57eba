import type { Database } from "bun:sqlite";
import { randomUUID } from "node:crypto";
import { EngineError, errorMessage } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Migration } from "../../store/migration.ts";
import type { WebhookOptions } from "../options.ts";
import { matcher } from "../pattern.ts";
import type { Happening } from "./happening.ts";
import { notification, notificationType } from "./notification.ts";

const firstDelayMs = 1000;
const maxDelayMs = 5 * 60 * 1000;
/** What could not be sent for this long is given up. */
const maxAgeMs = 24 * 60 * 60 * 1000;
/** Of one receiver; the oldest go first. */
const maxWaiting = 10_000;
const maxAtOnce = 50;

export const webhookMigrations: readonly Migration[] = [
  {
    id: "registry-webhooks/1-queue",
    up(db) {
      db.run(`CREATE TABLE notifications (
        id INTEGER PRIMARY KEY, webhook TEXT NOT NULL, event TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT`);
      db.run("CREATE INDEX notifications_by_webhook ON notifications (webhook, id)");
    },
  },
];

/** Tells receivers what happened, in order, from a queue that survives restarts. One that fails is tried again, later each time. */
export class Webhooks implements AsyncDisposable {
  readonly #db: Database;
  readonly #log: Logger;
  readonly #receivers: readonly Receiver[];
  readonly #stop = new AbortController();
  readonly #instance = randomUUID();
  #address = "";

  constructor(db: Database, hooks: readonly WebhookOptions[], log: Logger) {
    this.#db = db;
    this.#log = log;
    this.#receivers = hooks.map((options) => ({
      options,
      matches: matcher(options.repositories),
      delayMs: 0,
      sending: undefined,
      timer: undefined,
    }));
  }

  /** Begins to send what waits; `address` is what receivers are told the source is. */
  start(address: string): void {
    this.#address = address;
    for (const receiver of this.#receivers) this.#wake(receiver);
  }

  get waiting(): number {
    return this.#db.query<{ n: number }, []>("SELECT count(*) AS n FROM notifications").get()?.n ?? 0;
  }

  status(): { name: string; url: string; waiting: number }[] {
    const count = this.#db.query<{ n: number }, [string]>("SELECT count(*) AS n FROM notifications WHERE webhook = ?");
    return this.#receivers.map(({ options: { name, url } }) => ({
      name,
      url: withoutSecrets(url),
      waiting: count.get(name)?.n ?? 0,
    }));
  }

  tell(happening: Happening): void {
    const { action, repository } = happening;
    if (repository === undefined) return;
    for (const receiver of this.#receivers) {
      const { name, actions } = receiver.options;
      if (!actions.includes(action) || !receiver.matches(repository)) continue;
      const event = notification(happening, { address: this.#address, instance: this.#instance });
      this.#db
        .query("INSERT INTO notifications (webhook, event, created_at) VALUES (?, ?, ?)")
        .run(name, JSON.stringify(event), Date.now());
      this.#wake(receiver);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const receiver of this.#receivers) {
      clearTimeout(receiver.timer);
      await receiver.sending;
    }
  }

  #wake(receiver: Receiver): void {
    if (receiver.sending !== undefined || receiver.timer !== undefined || this.#stop.signal.aborted) return;
    receiver.sending = this.#sendAll(receiver).finally(() => {
      receiver.sending = undefined;
      if (this.#waits(receiver.options.name)) this.#wake(receiver); // told while the last answer was on its way
    });
  }

  #waits(name: string): boolean {
    return this.#db.query("SELECT 1 FROM notifications WHERE webhook = ? LIMIT 1").get(name) !== null;
  }

  /** Sends until nothing waits or the receiver fails; a failure sets the timer of the next try. */
  async #sendAll(receiver: Receiver): Promise<void> {
    const { name } = receiver.options;
    try {
      for (;;) {
        this.#forgetOld(name);
        const batch = this.#db
          .query<{ id: number; event: string }, [string, number]>(
            "SELECT id, event FROM notifications WHERE webhook = ? ORDER BY id LIMIT ?",
          )
          .all(name, maxAtOnce);
        const last = batch.at(-1);
        if (last === undefined || this.#stop.signal.aborted) return;
        await this.#send(receiver.options, `{"events":[${batch.map(({ event }) => event).join(",")}]}`);
        this.#db.query("DELETE FROM notifications WHERE webhook = ? AND id <= ?").run(name, last.id);
        receiver.delayMs = 0;
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      receiver.delayMs = Math.min(maxDelayMs, Math.max(firstDelayMs, receiver.delayMs * 2));
      this.#log.warn("a webhook failed", { webhook: name, error: errorMessage(error), retryInMs: receiver.delayMs });
      receiver.timer = setTimeout(() => {
        receiver.timer = undefined;
        this.#wake(receiver);
      }, receiver.delayMs);
      receiver.timer.unref();
    }
  }

  async #send({ url, headers, timeoutMs }: WebhookOptions, body: string): Promise<void> {
    const answer = await fetch(url, {
      method: "POST",
      body,
      headers: { "Content-Type": notificationType, ...headers },
      redirect: "manual", // the headers hold secrets: they go to this address alone
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)]),
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new EngineError("unavailable", `it answered ${answer.status}`);
  }

  #forgetOld(name: string): void {
    const gone = this.#db
      .query(
        `DELETE FROM notifications WHERE webhook = ?1 AND (created_at < ?2 OR id <= (
           SELECT id FROM notifications WHERE webhook = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?3))`,
      )
      .run(name, Date.now() - maxAgeMs, maxWaiting).changes;
    if (gone > 0) this.#log.warn("notifications were given up", { webhook: name, count: gone });
  }
}

interface Receiver {
  readonly options: WebhookOptions;
  readonly matches: (repository: string) => boolean;
  delayMs: number;
  sending: Promise<void> | undefined;
  timer: NodeJS.Timeout | undefined;
}

function withoutSecrets(text: string): string {
  const url = new URL(text);
  url.username = "";
  url.password = "";
  url.search = "";
  return url.href;
}
