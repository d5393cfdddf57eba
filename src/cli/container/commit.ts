import { command } from "../command.ts";

export const commit = command({
  path: "container commit",
  aliases: ["commit"],
  args: "CONTAINER [REPOSITORY[:TAG]]",
  arity: { min: 1, max: 2 },
  summary: "Create a new image from a container's changes",
  complete: "container",
  flags: {
    author: { type: "string", short: "a", help: 'Author ("Ada Lovelace <ada@example.com>")' },
    change: { type: "list", short: "c", help: "Apply a Dockerfile instruction to the new image" },
    message: { type: "string", short: "m", help: "Commit message" },
    pause: {
      type: "bool",
      short: "p",
      default: true,
      defaultText: "true",
      help: "Pause the container during the commit",
    },
  },
  async run({ flags, args, engine, stdout }) {
    const [container = "", reference = ""] = args;
    const colon = /:([^/]*)$/.exec(reference);
    const repo = colon === null ? reference : reference.slice(0, colon.index);
    const tag = colon?.[1] ?? (reference === "" ? "" : "latest");
    const { Id } = await engine.call(
      "ImageCommit",
      {
        container,
        pause: flags.pause,
        ...(reference === "" ? {} : { repo, tag }),
        ...(flags.message === undefined ? {} : { comment: flags.message }),
        ...(flags.author === undefined ? {} : { author: flags.author }),
      },
      {},
      flags.change.length > 0 ? { query: { changes: flags.change } } : {},
    );
    stdout.write(`${Id}\n`);
  },
});
