/** Who asks. Known on every request (SO_PEERCRED on the unix socket, certificate subject on TLS) and in every event. */
export interface Caller {
  /** `engine`: the daemon itself acts (restart policy, health, clean-up). */
  readonly via: "unix" | "tcp" | "tls" | "engine";
  /** Peer credentials, on a unix socket only. */
  readonly uid?: number;
  readonly gid?: number;
  readonly pid?: number;
  /** Common name of the client certificate, on TLS only. */
  readonly subject?: string;
}

export const engineCaller: Caller = { via: "engine" };
