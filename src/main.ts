/** Picks the role and loads only it. With bytecode the entry may not await at its top level. */
async function main(): Promise<number | void> {
  const [role, ...rest] = process.argv.slice(2);
  switch (role) {
    case "daemon": {
      const { runDaemon } = await import("./daemon/main.ts");
      return runDaemon(rest);
    }
    case "monitor": {
      const { runMonitor } = await import("./monitor/main.ts");
      return runMonitor({ execRoot: rest[rest.indexOf("--exec-root") + 1] ?? "" });
    }
    case "keeper": {
      const { runKeeper } = await import("./monitor/keeper/keeper.ts");
      return runKeeper({ execRoot: rest[rest.indexOf("--exec-root") + 1] ?? "" });
    }
    case "dns": {
      const { runResolver } = await import("./networks/dns/main.ts");
      return runResolver({ execRoot: rest[rest.indexOf("--exec-root") + 1] ?? "" });
    }
    case "registry": {
      if (rest[0] !== "serve" || rest.some((word) => word === "--help" || word === "-h")) break; // the command line's
      const { runRegistry } = await import("./registry/main.ts");
      return runRegistry(rest.slice(1));
    }
  }
  const { runCli } = await import("./cli/main.ts");
  return runCli(process.argv.slice(2));
}

main().then(
  (status) => {
    if (typeof status === "number") process.exit(status);
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  },
);
