import type { Readable } from "node:stream";
import { errorMessage } from "../../base/errors.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { openInput } from "../image/import.ts";
import { checkContextName, ContextStore, parseContext, type StoredContext } from "./store.ts";

/** docker's limit for a whole archive. */
const maxBytes = 10 * 1024 * 1024;

export const contextImport = command({
  path: "context import",
  args: "CONTEXT FILE|-",
  arity: { min: 2, max: 2 },
  summary: "Import a context from a tar file",
  complete: "file",
  flags: {},
  async run({ args: [name = "", source = ""], stdin, stdout, stderr, configDir }) {
    const store = new ContextStore(configDir);
    checkContextName(name);
    if (store.has(name)) throw new ExitError(1, `context "${name}" already exists`);
    const { context, tls } = await readArchive(source === "-" ? stdin : await openInput(source));
    store.write({ ...context, Name: name }, tls);
    stdout.write(`${name}\n`);
    stderr.write(`Successfully imported context "${name}"\n`);
  },
});

/** Nothing is written before the whole archive is read. Its names are compared, never opened. */
async function readArchive(source: Readable): Promise<{ context: StoredContext; tls: Record<string, string> }> {
  const { extract } = await import("tar-stream");
  const { Readable: NodeReadable } = await import("node:stream");
  const members = extract();
  const input = NodeReadable.from(limited(source));
  input.once("error", (error: Error) => members.destroy(error));
  input.pipe(members as unknown as NodeJS.WritableStream);
  let context: StoredContext | undefined;
  const tls: Record<string, string> = {};
  try {
    for await (const member of members) {
      const name = member.header.name.replace(/^\.\//, "");
      if (member.header.type === "directory") {
        member.resume();
        continue;
      }
      if (member.header.type !== "file") throw new Error(`unexpected context file: ${name}`);
      const chunks: Uint8Array[] = [];
      for await (const chunk of member as AsyncIterable<Uint8Array>) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      const file = /^tls\/docker\/([A-Za-z0-9_-]+\.pem)$/.exec(name)?.[1];
      if (name === "meta.json") context = parseContext(text);
      else if (file !== undefined) tls[file] = text;
      else throw new Error(`unexpected context file: ${name}`);
    }
  } catch (error) {
    throw new ExitError(1, `invalid context archive: ${errorMessage(error)}`);
  } finally {
    input.destroy();
  }
  if (context === undefined) throw new ExitError(1, "invalid context: no metadata found");
  return { context, tls };
}

async function* limited(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error("it is longer than 10 MiB");
    yield chunk;
  }
  // docker's own export ends in the middle of the last block
  yield new Uint8Array(512 - (bytes % 512) + 1024);
}
