import { closeSync } from "node:fs";
import { check, memory, symbols } from "../call.ts";
import { exitCodeOfStatus } from "./wait.ts";

const libc = symbols({
  socket: { args: ["int", "int", "int"], returns: "int" },
  bind: { args: ["int", "ptr", "u32"], returns: "int" },
  send: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
  recv: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
  setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
});

const netlink = 16; // AF_NETLINK
const kind = 2 | 0o2000000; // SOCK_DGRAM | SOCK_CLOEXEC
const connector = 11; // NETLINK_CONNECTOR
const group = 1; // CN_IDX_PROC
const listen = 1; // PROC_CN_MCAST_LISTEN
const exitEvent = 0x80000000;
const dontWait = 0x40;
const bufferBytes = 2 * 1024 * 1024;

/** The end of a process of this machine. */
export interface ProcExit {
  readonly pid: number;
  readonly exitCode: number;
}

/**
 * The kernel's news of processes that end, whoever's children they are: the proc connector. What comes waits in the
 * socket until it is asked for. Needs CAP_NET_ADMIN and CONFIG_PROC_EVENTS.
 */
export class ProcEvents {
  readonly #fd: number;
  readonly #buffer = memory(4096);

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Listens from now on; undefined where the kernel has none or does not let us. */
  static open(): ProcEvents | undefined {
    let fd = -1;
    try {
      fd = check("socket(NETLINK_CONNECTOR)", () => libc.socket(netlink, kind, connector));
      const size = memory(4);
      size.writeInt32LE(bufferBytes, 0);
      libc.setsockopt(fd, 1, 33 /* SO_RCVBUFFORCE */, size, 4);
      const address = memory(12); // struct sockaddr_nl: u16 family, u16 pad, u32 pid, u32 groups
      address.writeUInt16LE(netlink, 0);
      address.writeUInt32LE(group, 8);
      check("bind", () => libc.bind(fd, address, 12));
      // struct nlmsghdr (16), struct cn_msg (20): idx, val, seq, ack, u16 length, u16 flags; then the operation
      const message = memory(40);
      message.writeUInt32LE(40, 0);
      message.writeUInt16LE(3 /* NLMSG_DONE */, 4);
      message.writeUInt32LE(group, 16);
      message.writeUInt32LE(1 /* CN_VAL_PROC */, 20);
      message.writeUInt16LE(4, 32);
      message.writeUInt32LE(listen, 36);
      check("send", () => libc.send(fd, message, 40, 0));
      return new ProcEvents(fd);
    } catch {
      if (fd !== -1) closeSync(fd);
      return undefined;
    }
  }

  /** Processes (not threads) that have ended since the last call. */
  exits(): ProcExit[] {
    const found: ProcExit[] = [];
    for (;;) {
      const length = Number(libc.recv(this.#fd, this.#buffer, this.#buffer.length, dontWait));
      // EAGAIN: nothing waits. ENOBUFS: some were lost, the next call goes on behind them.
      if (length <= 0) return found;
      // struct proc_event behind the two heads: u32 what, u32 cpu, u64 time, then pid, tgid, exit_code, exit_signal
      if (length < 36 + 28 || this.#buffer.readUInt32LE(36) !== exitEvent) continue;
      const [pid, group] = [this.#buffer.readUInt32LE(52), this.#buffer.readUInt32LE(56)];
      if (pid === group) found.push({ pid, exitCode: exitCodeOfStatus(this.#buffer.readInt32LE(60)) });
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
