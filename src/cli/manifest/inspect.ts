import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { fetchManifest, fetchMember, fullReference, repositoryOf } from "./fetch.ts";
import { insecureFlag } from "./insecure-flag.ts";
import { listDocument, ManifestLists } from "./store.ts";

export const manifestInspect = command({
  path: "manifest inspect",
  args: "[MANIFEST_LIST] MANIFEST",
  arity: { min: 1, max: 2 },
  summary: "Display an image manifest, or manifest list",
  flags: {
    insecure: insecureFlag,
    verbose: { type: "bool", short: "v", help: "Output additional info including layers and platform" },
  },
  async run({ flags, args, engine, stdout, configDir }) {
    const lists = new ManifestLists(configDir);
    const print = (value: unknown): void => void stdout.write(`${JSON.stringify(value, null, "\t")}\n`);
    const reference = fullReference(args.at(-1) ?? "");
    if (args.length === 2) {
      const member = lists.member(fullReference(args[0] ?? ""), reference);
      if (member === undefined) throw new ExitError(1, `No such manifest: ${reference}`);
      return print(flags.verbose ? member : (member.SchemaV2Manifest ?? member.OCIManifest));
    }
    if (lists.has(reference)) {
      const members = lists.members(reference);
      if (flags.verbose) return print(members);
      stdout.write(`${listDocument(members).text}\n`);
      return undefined;
    }
    const fetched = await fetchManifest(engine, reference, configDir);
    const { document } = fetched;
    if (!flags.verbose) {
      if (document.kind === "manifest") return print(document.value);
      stdout.write(`${JSON.stringify(document.value, null, 3)}\n`);
      return undefined;
    }
    if (document.kind === "manifest") return print(await fetchMember(engine, reference, configDir, fetched));
    const members = [];
    for (const descriptor of document.value.manifests) {
      const one = await fetchManifest(engine, `${repositoryOf(reference)}@${descriptor.digest}`, configDir);
      const form = one.document.mediaType.includes(".oci.") ? "OCIManifest" : "SchemaV2Manifest";
      members.push({
        Ref: `${reference}@${descriptor.digest}`,
        Descriptor: descriptor,
        Raw: one.bytes.toString("base64"),
        [form]: one.document.value,
      });
    }
    return print(members);
  },
});
