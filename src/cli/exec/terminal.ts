/** Puts the terminal into raw mode; the disposer puts it back, also when a signal ends the process. */
export function rawMode(stdin: NodeJS.ReadStream): Disposable {
  if (!stdin.isTTY) return { [Symbol.dispose]() {} };
  stdin.setRawMode(true);
  // Bun leaves output processing on, which turns the container's own \r\n into \r\r\n and \n into \r\n; stty is in
  // every base system, and without it most programs still look right
  if (Bun.which("stty") !== null)
    Bun.spawnSync(["stty", "-opost"], { stdin: "inherit", stdout: "ignore", stderr: "ignore" });
  const restore = (): void => {
    stdin.setRawMode(false);
  };
  const fatal = (["SIGTERM", "SIGHUP"] as const).map((name) => {
    const die = (): void => {
      restore();
      process.exit(name === "SIGTERM" ? 143 : 129);
    };
    process.once(name, die);
    return [name, die] as const;
  });
  process.once("exit", restore);
  return {
    [Symbol.dispose]() {
      restore();
      process.off("exit", restore);
      for (const [name, die] of fatal) process.off(name, die);
    },
  };
}

/** Tells the container the terminal's size now and at every change, until disposed. */
export function followSize(
  stdout: NodeJS.WriteStream,
  resize: (height: number, width: number) => Promise<unknown>,
): Disposable {
  if (!stdout.isTTY) return { [Symbol.dispose]() {} };
  const send = (): void => {
    if (stdout.rows === 0 && stdout.columns === 0) return;
    // a container that ended meanwhile has no size; docker ignores this too
    resize(stdout.rows, stdout.columns).catch(() => undefined);
  };
  send();
  stdout.on("resize", send);
  return {
    [Symbol.dispose]() {
      stdout.off("resize", send);
    },
  };
}

/** docker refuses an interactive terminal session on what is no terminal. */
export function checkTerminal(stdin: NodeJS.ReadStream, wanted: boolean): string | undefined {
  return wanted && !stdin.isTTY ? "the input device is not a TTY" : undefined;
}
