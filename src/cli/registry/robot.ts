import { command } from "../command.ts";
import { administer, registryFlags } from "./admin-client.ts";
import { rows } from "./rows.ts";
import { grantText, readAction, readGrants, readSpan } from "./words.ts";

interface Robot {
  readonly name: string;
  readonly login: string;
  readonly createdBy: string;
  readonly expiresAt: string | null;
  readonly grants: readonly { repositories: string; actions: readonly string[] }[];
}

export const registryRobot = command({
  path: "registry robot",
  args: "ACTION [NAME]",
  arity: { min: 1, max: 2 },
  summary: "Manage accounts of programs: ls, create NAME, rm NAME",
  flags: {
    ...registryFlags,
    grant: { type: "stringArray", help: "What the robot may do: 'team/**=pull,push' (pull, push, delete)" },
    expires: { type: "string", valueName: "time", help: "It may log in for so long: 30d, 12h (for ever)" },
  },
  complete: ["ls", "create", "rm"],
  async run(context) {
    const { flags, args, stdout, stderr } = context;
    const one = { min: 1, max: 1 };
    const { action, names } = readAction(args, { ls: { min: 0, max: 0 }, create: one, rm: one });
    const [name = ""] = names;
    if (action === "ls") {
      const robots = await administer<Robot[]>(context, "GET robots");
      const lines = robots.map((robot) => [
        robot.login,
        robot.expiresAt ?? "never",
        robot.createdBy,
        grantText(robot.grants),
      ]);
      stdout.write(rows(["LOGIN", "EXPIRES", "MADE BY", "GRANTS"], lines));
      return;
    }
    if (action === "rm") {
      await administer(context, `DELETE robots/${encodeURIComponent(name)}`);
      stdout.write(`${name}\n`);
      return;
    }
    const { login, secret } = await administer<{ login: string; secret: string }>(context, "POST robots", {
      name,
      grants: readGrants(flags.grant),
      ...(flags.expires !== undefined && { lifetimeMs: readSpan(flags.expires) }),
    });
    stderr.write(`${login} logs in with this secret, which is shown only now:\n`);
    stdout.write(`${secret}\n`);
  },
});
