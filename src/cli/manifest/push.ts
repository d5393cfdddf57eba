import { Readable } from "node:stream";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { registryAuthHeaders } from "../image/registry-auth.ts";
import { parseReference } from "../../spec/reference.ts";
import { fullReference, repositoryOf } from "./fetch.ts";
import { insecureFlag } from "./insecure-flag.ts";
import { listDocument, ManifestLists } from "./store.ts";

export const manifestPush = command({
  path: "manifest push",
  args: "MANIFEST_LIST",
  arity: { min: 1, max: 1 },
  summary: "Push a manifest list to a repository",
  flags: {
    insecure: insecureFlag,
    purge: { type: "bool", short: "p", help: "Remove the local manifest list after push" },
  },
  async run({ flags, args: [name = ""], engine, stdout, configDir }) {
    const list = fullReference(name);
    const lists = new ManifestLists(configDir);
    const members = lists.members(list);
    const { domain } = parseReference(list);
    const foreign = members.find(({ Ref }) => parseReference(Ref).domain !== domain);
    if (foreign !== undefined)
      throw new ExitError(
        1,
        `cannot use source images from a different registry than the target image: ${parseReference(foreign.Ref).domain} != ${domain}`,
      );
    const empty = members.find(({ Descriptor }) => !Descriptor.platform?.architecture || !Descriptor.platform.os);
    if (empty !== undefined)
      throw new ExitError(1, `manifest ${empty.Ref} must have an OS and Architecture to be pushed to a registry`);
    const { mediaType, text } = listDocument(members);
    const repository = repositoryOf(list);
    const from = [...new Set(members.map(({ Ref }) => repositoryOf(Ref)))].filter((other) => other !== repository);
    const { body } = await engine.stream(
      "ManifestPut",
      { name: list, ...(from.length === 0 ? {} : { from }) },
      {
        upload: Readable.from([Buffer.from(text)]),
        headers: { ...(await registryAuthHeaders(repository, configDir)), "Content-Type": mediaType },
      },
    );
    let answer = "";
    for await (const chunk of body) answer += String(chunk);
    const { digest } = JSON.parse(answer) as { digest: string };
    // docker tells those that it has to bring to the repository
    for (const { Ref, Descriptor } of members)
      if (repositoryOf(Ref) !== repository)
        stdout.write(`Pushed ref ${repository}@${Descriptor.digest} with digest: ${Descriptor.digest}\n`);
    stdout.write(`${digest}\n`);
    if (flags.purge) lists.remove(list);
  },
});
