import { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { AsyncQueue } from "../../base/async-queue.ts";
import { EngineError } from "../../base/errors.ts";
import { Auth } from "../../spec/buildkit/session-files.gen.ts";
import { Secrets } from "../../spec/buildkit/session-secrets.gen.ts";
import { SSH } from "../../spec/buildkit/session-ssh.gen.ts";
import { Upload } from "../../spec/buildkit/session-upload.gen.ts";
import type { Session } from "./session.ts";

/** Longer than any secret that a Dockerfile may ask for: BuildKit's limit. */
const maxSecretBytes = 500 * 1024;

interface Cancel {
  readonly signal?: AbortSignal;
}

/** A secret of the client's by its id; undefined when the client has none of that name. */
export async function secret(session: Session, id: string, options: Cancel = {}): Promise<Uint8Array | undefined> {
  if (!session.has("/moby.buildkit.secrets.v1.Secrets/GetSecret")) return undefined;
  try {
    const { data } = await session.client(Secrets).getSecret({ ID: id }, options);
    if (data.length > maxSecretBytes)
      throw new EngineError("invalid", `secret ${id} is longer than ${maxSecretBytes} bytes`, { id });
    return data;
  } catch (error) {
    if (error instanceof ConnectError && (error.code === Code.NotFound || error.code === Code.Unimplemented))
      return undefined;
    throw error;
  }
}

/** What the client's configuration holds for a registry's host; undefined when it holds nothing. */
export async function credentials(
  session: Session,
  host: string,
  options: Cancel = {},
): Promise<{ username: string; password: string } | { identityToken: string } | undefined> {
  if (!session.has("/moby.filesync.v1.Auth/Credentials")) return undefined;
  const { Username: username, Secret: password } = await session
    .client(Auth)
    // Docker Hub's credentials are kept under its old name
    .credentials({ Host: host === "docker.io" ? "registry-1.docker.io" : host }, options);
  if (password === "") return undefined;
  return username === "" ? { identityToken: password } : { username, password };
}

/** Whether the client forwards an agent (or key) of that id: `default` or as `--ssh` named it. */
export async function hasAgent(session: Session, id: string, options: Cancel = {}): Promise<boolean> {
  if (!session.has("/moby.sshforward.v1.SSH/CheckAgent")) return false;
  try {
    await session.client(SSH).checkAgent({ ID: id }, options);
    return true;
  } catch (error) {
    if (error instanceof ConnectError && error.code !== Code.Canceled && error.code !== Code.Unavailable) return false;
    throw error;
  }
}

/** One connection to the client's ssh agent. */
export function agentConnection(session: Session, id: string, signal: AbortSignal): Duplex {
  const headers = { "buildkit.ssh.id": id };
  return byteStream((input, options) => session.client(SSH).forwardAgent(input, { ...options, headers }), signal);
}

/** What the client streams under a name (a context on its standard input): `http://buildkit-session/<id>`. */
export async function* uploaded(session: Session, path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const headers = { urlpath: path };
  const stop = new AbortController();
  try {
    for await (const { data } of session
      .client(Upload)
      .pull(silent(stop.signal), { headers, signal: AbortSignal.any([signal, stop.signal]) }))
      yield data;
  } finally {
    stop.abort();
  }
}

interface Bytes {
  readonly data: Uint8Array;
}

/** A request stream that says nothing: its end would end the answer too. */
// oxlint-disable-next-line require-yield -- nothing is ever said
async function* silent(signal: AbortSignal): AsyncGenerator<Bytes> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** A call that carries bytes both ways, as a stream. */
function byteStream(
  call: (input: AsyncIterable<Bytes>, options: { signal: AbortSignal }) => AsyncIterable<{ data: Uint8Array }>,
  signal: AbortSignal,
): Duplex {
  const stop = new AbortController();
  const input = new AsyncQueue<Bytes>();
  const answers = call(input, { signal: AbortSignal.any([signal, stop.signal]) })[Symbol.asyncIterator]();
  return new Duplex({
    read() {
      answers.next().then(
        ({ done, value }) => this.push(done ? null : Buffer.from(value.data)),
        (error: Error) => this.destroy(stop.signal.aborted ? undefined : error),
      );
    },
    write(bytes: Buffer, _encoding, done) {
      void (async () => {
        await input.push({ data: bytes });
        done();
      })();
    },
    final(done) {
      input.end();
      done();
    },
    destroy(error, done) {
      stop.abort();
      input.end();
      done(error);
    },
  });
}
