// What a role loads. The command line must be quick to start, the monitor small: it holds every container's output.
const roles = {
  "src/cli/main.ts": { folders: ["base", "spec", "client", "cli"], packages: [] as string[] },
  "src/monitor/main.ts": {
    folders: ["base", "spec", "kernel", "runtime", "logs", "monitor"],
    packages: [] as string[],
  },
};
let faults = 0;
for (const [entry, { folders, packages }] of Object.entries(roles)) {
  if (!(await Bun.file(entry).exists())) {
    console.log(`${entry} does not exist`);
    faults++;
    continue;
  }
  const { metafile } = await Bun.build({ entrypoints: [entry], target: "bun", metafile: true, splitting: true });
  const inputs = Object.entries(metafile?.inputs ?? {});
  for (const [file] of inputs) {
    const [top, second] = file.split("/");
    const allowed =
      top === "src"
        ? folders.includes(second ?? "")
        : packages.some((name) => file.startsWith(`node_modules/${name}/`));
    if (allowed) continue;
    faults++;
    const importer = inputs.find(([, { imports }]) => imports.some(({ path }) => path === file));
    console.log(`${entry} reaches ${file}${importer ? ` by ${importer[0]}` : ""}`);
  }
  console.log(
    `closure of ${entry}: ${inputs.length} files, ${Math.round(inputs.reduce((sum, [, { bytes }]) => sum + bytes, 0) / 1024)} KiB`,
  );
}
process.exit(faults > 0 ? 1 : 0);

export {};
