import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { resourceFlags } from "../exec/resource-flags.ts";
import { resourceLimits } from "../exec/resource-limits.ts";
import { parseRestartPolicy } from "../values/restart.ts";
import { each } from "./each.ts";

export const update = command({
  path: "container update",
  aliases: ["update"],
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Update configuration of one or more containers",
  complete: "container",
  flags: {
    ...resourceFlags,
    "kernel-memory": { type: "bytes", hidden: true, help: "Limit of kernel memory (ignored by current kernels)" },
    restart: {
      type: "string",
      complete: ["always", "no", "on-failure", "unless-stopped"],
      help: "What to do when the container exits",
    },
  },
  async run(context) {
    const { flags, set, args, engine, stderr } = context;
    if (set.size === 0) throw new ExitError(1, "you must provide one or more flags when using this command");
    const body = {
      ...resourceLimits(flags),
      // 0 would mean "no limit": absent is "as it is"
      ...(set.has("pids-limit") ? {} : { PidsLimit: null }),
      ...(flags.restart === undefined ? {} : { RestartPolicy: parseRestartPolicy(flags.restart) }),
    };
    const warnings: string[] = [];
    try {
      await each(context, args, async (id) => {
        const reply = await engine.call("ContainerUpdate", { id }, body);
        warnings.push(...(reply.Warnings ?? []));
      });
    } finally {
      for (const warning of warnings) stderr.write(`${warning}\n`);
    }
  },
});
