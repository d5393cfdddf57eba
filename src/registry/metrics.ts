import { Counter, Gauge, Histogram, Registry as Collector } from "prom-client";

export interface Metrics {
  observe(kind: string, method: string, result: { status: number; ms: number }): void;
  happened(action: string, sizeBytes: number): void;
  collected(blobs: number, bytes: number): void;
  /** The page that Prometheus reads. */
  page(): Promise<string>;
  readonly contentType: string;
}

/** `current` is asked when the page is read. */
export function makeMetrics(current: () => Record<"uploads" | "blobs" | "blobBytes" | "webhooks", number>): Metrics {
  const registers = [new Collector()];
  const requests = new Counter({
    name: "berth_registry_requests_total",
    help: "Requests by what they were about and how they ended",
    labelNames: ["target", "method", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "berth_registry_request_duration_seconds",
    help: "Time until the head of the answer",
    labelNames: ["target", "method"],
    buckets: [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers,
  });
  const actions = new Counter({
    name: "berth_registry_actions_total",
    help: "What clients did to repositories",
    labelNames: ["action"],
    registers,
  });
  const bytes = new Counter({
    name: "berth_registry_action_bytes_total",
    help: "Bytes of what was pulled and pushed",
    labelNames: ["action"],
    registers,
  });
  const removed = new Counter({
    name: "berth_registry_collected_blobs_total",
    help: "Blobs removed by collections",
    registers,
  });
  const freed = new Counter({ name: "berth_registry_collected_bytes_total", help: "Their bytes", registers });
  const gauge = (name: string, help: string, key: "uploads" | "blobs" | "blobBytes" | "webhooks"): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(current()[key]);
      },
    });
  };
  gauge("berth_registry_uploads", "Uploads in progress", "uploads");
  gauge("berth_registry_blobs", "Blobs in the store", "blobs");
  gauge("berth_registry_blob_bytes", "Their bytes", "blobBytes");
  gauge("berth_registry_webhook_queue", "Notifications that wait to be sent", "webhooks");
  const [collector] = registers;
  return {
    observe(target, method, { status, ms }) {
      // methods come from clients: what is no method of ours must not make a row of its own
      const known = /^(GET|HEAD|PUT|POST|PATCH|DELETE)$/.test(method) ? method : "other";
      requests.inc({ target, method: known, status });
      seconds.observe({ target, method: known }, ms / 1000);
    },
    happened(action, sizeBytes) {
      actions.inc({ action });
      bytes.inc({ action }, sizeBytes);
    },
    collected(blobs, size) {
      removed.inc(blobs);
      freed.inc(size);
    },
    page: async () => (await collector?.metrics()) ?? "",
    contentType: collector?.contentType ?? "text/plain",
  };
}
