import { isAbsolute } from "node:path";
import { command } from "../command.ts";
import { humanSize } from "../render/units.ts";

export const cp = command({
  path: "container cp",
  aliases: ["cp"],
  args: "CONTAINER:SRC_PATH DEST_PATH|-",
  usage: ["SRC_PATH|- CONTAINER:DEST_PATH"],
  arity: { min: 2, max: 2 },
  summary: "Copy files and folders between a container and the local filesystem",
  complete: "container",
  flags: {
    archive: { type: "bool", short: "a", help: "Keep owners (archive mode)" },
    "follow-link": { type: "bool", short: "L", help: "Follow a symbolic link at SRC_PATH" },
    quiet: { type: "bool", short: "q", help: "Do not say what was copied; without a terminal nothing is said" },
  },
  async run(context) {
    const { flags, args, stderr } = context;
    const [from = "", to = ""] = args;
    if (from === "") throw new Error("source can not be empty");
    if (to === "") throw new Error("destination can not be empty");
    const source = splitArgument(from);
    const destination = splitArgument(to);
    const options = { archive: flags.archive, followLink: flags["follow-link"] };
    const paths = { source: source.path, destination: destination.path };
    const say = (bytes: number, target: string): void => {
      if (!flags.quiet && stderr.isTTY) stderr.write(`Successfully copied ${humanSize(bytes, 3)} to ${target}\n`);
    };
    if (source.container !== "" && destination.container !== "")
      throw new Error("copying between containers is not supported");
    if (source.container !== "") {
      const { copyFromContainer } = await import("./from-container.ts");
      const copied = await copyFromContainer(context, source.container, paths, options);
      if (copied !== undefined) say(copied.bytes, copied.target);
    } else if (destination.container !== "") {
      const { copyToContainer } = await import("./to-container.ts");
      const { bytes } = await copyToContainer(context, destination.container, paths, options);
      say(bytes, `${destination.container}:${destination.path}`);
    } else throw new Error("must specify at least one container source");
  },
});

/** `name:path`; a path that begins with `/` or `.` is local whatever it holds. */
export function splitArgument(text: string): { container: string; path: string } {
  const colon = text.indexOf(":");
  if (isAbsolute(text) || text.startsWith(".") || colon < 0) return { container: "", path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}
