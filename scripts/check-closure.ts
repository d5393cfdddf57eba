// What a role loads, and what of it before its first line runs. The command line must be quick to start, the monitor
// small: it holds every container's output.
const tar = ["tar-stream", "streamx", "fast-fifo", "b4a", "text-decoder", "events-universal"];
const roles: Record<string, { folders: string[]; packages: string[]; eagerFiles: number }> = {
  "src/cli/main.ts": { folders: ["base", "spec", "client", "cli"], packages: tar, eagerFiles: 60 },
  "src/monitor/main.ts": {
    folders: ["base", "spec", "kernel", "runtime", "logs", "monitor"],
    packages: [],
    eagerFiles: 60,
  },
};
const faults: string[] = [];
for (const [entry, { folders, packages, eagerFiles }] of Object.entries(roles)) {
  const { metafile } = await Bun.build({ entrypoints: [entry], target: "bun", metafile: true, splitting: true });
  const inputs = metafile?.inputs ?? {};
  const importer = (file: string): string =>
    Object.entries(inputs).find(([, { imports }]) => imports.some(({ path }) => path === file))?.[0] ?? "";
  for (const file of Object.keys(inputs)) {
    const [top, second = ""] = file.split("/");
    const allowed =
      top === "src" ? folders.includes(second) : packages.some((name) => file.startsWith(`node_modules/${name}/`));
    if (!allowed) faults.push(`${entry} reaches ${file} by ${importer(file)}`);
  }
  const eager = new Set<string>();
  const visit = (file: string): void => {
    const input = inputs[file];
    if (input === undefined || eager.has(file)) return;
    eager.add(file);
    for (const { path, kind } of input.imports) if (kind !== "dynamic-import") visit(path);
  };
  visit(entry);
  for (const file of eager) {
    if (!file.startsWith("src/"))
      faults.push(`${entry} loads ${file} at once, by ${importer(file)}: import it where it is used`);
  }
  if (eager.size > eagerFiles) faults.push(`${entry} loads ${eager.size} files at once, at most ${eagerFiles} may be`);
  console.log(`closure of ${entry}: ${Object.keys(inputs).length} files, ${eager.size} at once`);
}
for (const fault of faults) console.log(fault);
process.exit(faults.length > 0 ? 1 : 0);

export {};
