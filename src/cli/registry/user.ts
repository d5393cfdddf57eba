import { command, type CommandContext } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { Answers } from "../login/answers.ts";
import { administer, registryFlags } from "./admin-client.ts";
import { rows } from "./rows.ts";
import { grantText, readAction, readGrants } from "./words.ts";

interface Account {
  readonly name: string;
  readonly admin: boolean;
  readonly grants: readonly { repositories: string; actions: readonly string[] }[];
}

export const registryUser = command({
  path: "registry user",
  args: "ACTION [NAME]",
  arity: { min: 1, max: 2 },
  summary: "Manage users of a registry: ls, add NAME, set NAME, passwd NAME, rm NAME",
  flags: {
    ...registryFlags,
    admin: { type: "bool", help: "The user may administer the registry, and do everything" },
    grant: { type: "stringArray", help: "What the user may do: 'team/**=pull,push' (pull, push, delete)" },
    "password-stdin": { type: "bool", help: "Take the password from stdin" },
  },
  complete: ["ls", "add", "set", "passwd", "rm"],
  async run(context) {
    const { flags, args, stdout, set } = context;
    const one = { min: 1, max: 1 };
    const { action, names } = readAction(args, { ls: { min: 0, max: 0 }, add: one, set: one, passwd: one, rm: one });
    const [name = ""] = names;
    const path = encodeURIComponent(name);
    const grants = readGrants(flags.grant);
    switch (action) {
      case "ls": {
        const users = await administer<Account[]>(context, "GET users");
        const lines = users.map((user) => [user.name, user.admin ? "yes" : "no", grantText(user.grants)]);
        stdout.write(rows(["NAME", "ADMIN", "GRANTS"], lines));
        return;
      }
      case "add":
        await administer(context, "POST users", {
          name,
          password: await readPassword(context),
          admin: flags.admin,
          grants,
        });
        break;
      case "set":
        await administer(context, `PATCH users/${path}`, {
          ...(set.has("admin") && { admin: flags.admin }),
          ...(set.has("grant") && { grants }),
        });
        break;
      case "passwd":
        await administer(context, `PUT passwords/${path}`, { password: await readPassword(context) });
        break;
      case "rm":
        await administer(context, `DELETE users/${path}`);
        break;
    }
    stdout.write(`${name}\n`);
  },
});

/** From stdin when told so; else asked for, twice and unseen. */
async function readPassword(context: CommandContext & { flags: { "password-stdin": boolean } }): Promise<string> {
  const { stdin, stderr } = context;
  if (context.flags["password-stdin"]) {
    let text = "";
    for await (const piece of stdin) text += String(piece);
    return text.replace(/\r?\n$/, "");
  }
  if (!stdin.isTTY) throw new ExitError(1, "there is no terminal to ask for the password: use --password-stdin");
  const answers = new Answers(stdin);
  try {
    stderr.write("Password: ");
    const first = await answers.secret();
    stderr.write("\nAgain: ");
    const again = await answers.secret();
    stderr.write("\n");
    if (again !== first) throw new ExitError(1, "the two are not the same");
    return first;
  } finally {
    answers.close();
  }
}
