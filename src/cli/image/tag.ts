import { errorMessage } from "../../base/errors.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { parseShortReference } from "../values/reference.ts";

export const imageTag = command({
  path: "image tag",
  aliases: ["tag"],
  args: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  arity: { min: 2, max: 2 },
  summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  complete: "image",
  flags: {},
  async run({ args: [name = "", target = ""], engine }) {
    const { name: repo, tag = "latest", digest } = readTarget(target);
    if (digest !== undefined) throw new ExitError(1, "refusing to create a tag with a digest reference");
    await engine.call("ImageTag", { name, repo, tag });
  },
});

function readTarget(target: string): ReturnType<typeof parseShortReference> {
  try {
    return parseShortReference(target);
  } catch (error) {
    throw new ExitError(
      1,
      `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${errorMessage(error)}`,
    );
  }
}
