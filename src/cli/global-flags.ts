import type { FlagTable } from "./command.ts";

/** The flags before the command. Their values feed host.ts. */
export const globalFlags = {
  config: { type: "string", help: "Location of client config files", defaultText: '"~/.docker"' },
  context: {
    type: "string",
    short: "c",
    help: "Context to use for the connection (wins over DOCKER_HOST and the default context)",
  },
  debug: { type: "bool", short: "D", help: "Enable debug mode" },
  host: { type: "list", short: "H", help: "Daemon socket to connect to" },
  "log-level": {
    type: "string",
    short: "l",
    help: 'Logging level ("debug", "info", "warn", "error", "fatal")',
    default: "info",
  },
  tls: { type: "bool", help: "Use TLS; implied by --tlsverify" },
  tlscacert: { type: "string", help: "Trust certificates signed only by this CA", defaultText: '"~/.docker/ca.pem"' },
  tlscert: { type: "string", help: "Path of the TLS certificate file", defaultText: '"~/.docker/cert.pem"' },
  tlskey: { type: "string", help: "Path of the TLS key file", defaultText: '"~/.docker/key.pem"' },
  tlsverify: { type: "bool", help: "Use TLS and verify the remote" },
  version: { type: "bool", short: "v", help: "Print version information and quit" },
} as const satisfies FlagTable;
