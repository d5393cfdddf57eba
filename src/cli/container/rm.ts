import { ApiError } from "../../client/engine-client.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";

export const rm = command({
  path: "container rm",
  aliases: ["container remove", "rm"],
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Remove one or more containers",
  complete: "container",
  flags: {
    force: { type: "bool", short: "f", help: "Remove a running container too (it is killed)" },
    link: { type: "bool", short: "l", help: "Remove the link of this name" },
    volumes: { type: "bool", short: "v", help: "Remove the container's anonymous volumes" },
  },
  async run({ flags, args, engine, stdout, stderr }) {
    const remove = async (name: string): Promise<unknown> => {
      const id = name.replace(/^\/+/, "");
      if (id === "") throw new Error("Container name cannot be empty");
      await engine.call("ContainerDelete", { id, v: flags.volumes, force: flags.force, link: flags.link });
      return undefined;
    };
    const results = args.map((name) =>
      remove(name).then(
        () => undefined,
        (error: unknown) => ({ error }),
      ),
    );
    let failed = false;
    for (const [index, result] of results.entries()) {
      const failure = await result;
      if (failure === undefined) {
        stdout.write(`${args[index]}\n`);
        continue;
      }
      stderr.write(`${failureText(failure.error, engine.host)}\n`);
      // with --force what is gone already is no failure: scripts clean up with `rm -f`
      failed ||= !(flags.force && failure.error instanceof ApiError && failure.error.status === 404);
    }
    if (failed) throw new ExitError(1);
  },
});
