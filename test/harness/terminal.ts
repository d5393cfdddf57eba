import type { TestDaemon } from "./daemon.ts";
import { program } from "./daemon.ts";
import { until } from "./run.ts";

export interface Terminal extends AsyncDisposable {
  write(text: string): void;
  /** All that was shown so far. */
  text(): string;
  /** Waits until the text was shown. */
  expect(text: string): Promise<void>;
  resize(rows: number, columns: number): void;
  exited(): Promise<number>;
}

/** Runs a client on a pseudo terminal, as a person has it. */
export function openTerminal(
  daemon: TestDaemon,
  name: "docker" | "berth",
  args: readonly string[],
  size = { rows: 24, columns: 80 },
): Terminal {
  let shown = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn([...(name === "docker" ? ["docker"] : program), ...args], {
    env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}`, TERM: "xterm" },
    terminal: {
      cols: size.columns,
      rows: size.rows,
      data: (_terminal: unknown, bytes: Uint8Array) => {
        shown += decoder.decode(bytes, { stream: true });
      },
    },
  });
  const { terminal } = child;
  if (!terminal) throw new Error("no pseudo terminal");
  return {
    write: (text) => void terminal.write(text),
    text: () => shown,
    expect: async (text) => {
      await until(`the terminal shows ${JSON.stringify(text)}`, () => shown.includes(text)).catch((error: unknown) => {
        throw new Error(`${String(error)}; it shows: ${shown}`);
      });
    },
    resize: (rows, columns) => terminal.resize(columns, rows),
    exited: () => child.exited,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
      terminal.close();
    },
  };
}
