import { resolveEndpoint } from "../host.ts";
import { ContextStore, type StoredContext, type TlsMaterial } from "./store.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const noFlags = {
  host: [],
  context: "default",
  tls: false,
  tlsverify: false,
  tlscacert: undefined,
  tlscert: undefined,
  tlskey: undefined,
};

/** The context `default`: what the environment says, or the default socket. It is stored nowhere. */
export function defaultContext(env: Environment, configDir: string): StoredContext {
  const fromEnvironment = env["BERTH_HOST"] || env["DOCKER_HOST"];
  const { host, tls } = resolveEndpoint(
    fromEnvironment ? { ...noFlags, context: undefined } : noFlags,
    fromEnvironment ? env : {},
    configDir,
  );
  return {
    Name: "default",
    Metadata: {},
    Endpoints: { docker: { Host: host, SkipTLSVerify: tls?.verify === false } },
  };
}

/** What its list and copies of it say about it. */
export const defaultDescription = "Current DOCKER_HOST based configuration";

/** A context by name, `default` included, with its PEM files. Throws docker's text when there is none. */
export function findContext(
  name: string,
  env: Environment,
  configDir: string,
): { context: StoredContext; tls: TlsMaterial } {
  if (name === "default") return { context: defaultContext(env, configDir), tls: {} };
  const store = new ContextStore(configDir);
  return { context: store.read(name), tls: store.tls(name) };
}
