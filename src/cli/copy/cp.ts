import { command } from "../command.ts";

export const cp = command({
  path: "container cp",
  aliases: ["cp"],
  args: "CONTAINER:SRC_PATH DEST_PATH|-",
  usage: ["SRC_PATH|- CONTAINER:DEST_PATH"],
  arity: { min: 2, max: 2 },
  summary: "Copy files and folders between a container and the local filesystem",
  flags: {
    archive: { type: "bool", short: "a", help: "Keep owners (archive mode)" },
    "follow-link": { type: "bool", short: "L", help: "Follow a symbolic link at SRC_PATH" },
    quiet: { type: "bool", short: "q", help: "No progress" },
  },
  async run() {
    throw new Error("not yet");
  },
});
