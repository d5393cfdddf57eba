import { command } from "../command.ts";
import { Demultiplexer } from "../exec/demultiplex.ts";
import { parseTimestamp } from "../values/timestamp.ts";

export const logs = command({
  path: "container logs",
  aliases: ["logs"],
  args: "CONTAINER",
  arity: { min: 1, max: 1 },
  summary: "Fetch the logs of a container",
  complete: "container",
  flags: {
    details: { type: "bool", help: "Show what else was given to the log driver" },
    follow: { type: "bool", short: "f", help: "Go on as the container writes" },
    since: { type: "string", help: 'Show logs since a time ("2013-01-02T13:23:37Z") or so long ago ("42m")' },
    tail: { type: "string", short: "n", default: "all", help: "Number of lines from the end" },
    timestamps: { type: "bool", short: "t", help: "Show timestamps" },
    until: { type: "string", help: 'Show logs before a time ("2013-01-02T13:23:37Z") or up to so long ago ("42m")' },
  },
  async run({ flags, args, engine, stdout, stderr }) {
    const [name = ""] = args;
    const times = {
      ...time("since", flags.since),
      ...time("until", flags.until),
      ...(flags.details ? { details: "1" } : {}),
    };
    const { Id, Config } = await engine.call("ContainerInspect", { id: name });
    const { follow, timestamps, tail } = flags;
    const answer = await engine.open(
      "ContainerLogs",
      { id: Id ?? name, stdout: true, stderr: true, follow, timestamps, tail },
      { query: times },
    );
    const frames = Config?.Tty === true ? undefined : new Demultiplexer();
    for await (const chunk of answer.pieces()) {
      const pieces = frames?.push(chunk) ?? [{ kind: 1, bytes: chunk }];
      for (const { kind, bytes } of pieces) {
        if (kind === 3) throw new Error(`error from daemon in stream: ${Buffer.from(bytes).toString()}`);
        const out = kind === 2 ? stderr : stdout;
        if (!out.write(bytes)) await new Promise<void>((resume) => out.once("drain", resume));
      }
    }
  },
});

function time(name: "since" | "until", text: string | undefined): Record<string, string> {
  if (text === undefined || text === "") return {};
  try {
    return { [name]: parseTimestamp(text) };
  } catch (error) {
    throw new Error(`invalid value for "${name}": ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
