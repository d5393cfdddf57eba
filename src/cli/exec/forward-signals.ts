/**
 * What is passed to the container by --sig-proxy. docker passes every signal a program can catch but SIGCHLD, SIGPIPE
 * and SIGURG; these are the ones that somebody sends.
 */
const forwarded = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGTERM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGWINCH",
] as const;

/** Passes signals to `send` until disposed; a third SIGINT or SIGTERM ends us all the same, as docker does. */
export function forwardSignals(send: (name: string) => Promise<unknown>): Disposable {
  let endings = 0;
  const handlers = forwarded.map((name) => {
    const handler = (): void => {
      if ((name === "SIGINT" || name === "SIGTERM") && ++endings >= 3) {
        process.stderr.write("\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n");
        process.exit(1);
      }
      // the container may be gone already: then there is nobody to tell
      send(name.slice(3)).catch(() => undefined);
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return {
    [Symbol.dispose]() {
      for (const [name, handler] of handlers) process.off(name, handler);
    },
  };
}
