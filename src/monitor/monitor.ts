import type { Duplex } from "node:stream";
import type {
  AdoptProcess,
  CreateProcess,
  ExecProcess,
  ExitEvent,
  MonitorEvent,
  MonitoredContainer,
  ProcessIdentity,
  StreamRequest,
} from "./protocol.ts";

/** The monitor as the daemon's features see it. Made by monitor/client.ts; it reconnects and respawns by itself. */
export interface Monitor {
  create(process: CreateProcess): Promise<ProcessIdentity>;
  start(id: string, run: number): Promise<void>;
  discard(id: string): Promise<void>;
  exec(process: ExecProcess): Promise<ProcessIdentity>;
  resize(id: string, execId: string | undefined, size: { rows: number; columns: number }): Promise<void>;
  /** Attaches before it returns: bytes that come later are not missed. Half-close of the duplex ends stdin. */
  stream(request: StreamRequest): Promise<Duplex>;
  acknowledge(id: string, run: number, execId?: string): Promise<void>;
  /** What runs under the monitor now. */
  list(): Promise<readonly MonitoredContainer[]>;
  /**
   * For the daemon's start: of these processes (from its rows) which run, and which are gone with what exit. Those the
   * monitor has already are `adopted` too. `gone` may have been told as events as well; acknowledge them. Idempotent.
   */
  adopt(processes: readonly AdoptProcess[]): Promise<{ adopted: readonly string[]; gone: readonly ExitEvent[] }>;
  /** Exits and OOM kills, each delivered at least once. */
  onEvent(listener: (event: MonitorEvent) => void): void;
}
