// Files of at most 500 lines, folders of at most 25 sources (tests and generated files apart), three levels under src.
import { Glob } from "bun";
import { dirname } from "node:path";

const maxLines = 500;
const maxFiles = 25;
const maxLevels = 3;
const faults: string[] = [];
const folders = new Map<string, number>();
const lengths: number[] = [];

for (const file of [...new Glob("{src,scripts,test}/**/*.{ts,tsx,mjs}").scanSync()].sort()) {
  if (file.endsWith(".gen.ts")) continue;
  const lines = (await Bun.file(file).text()).split("\n").length - 1;
  const isTest = /\.test\.tsx?$/.test(file);
  if (!isTest) lengths.push(lines);
  if (lines > (isTest ? maxLines * 2 : maxLines))
    faults.push(`${file} has ${lines} lines: split it by what changes together`);
  const folder = dirname(file);
  if (!isTest) folders.set(folder, (folders.get(folder) ?? 0) + 1);
  if (file.startsWith("src/") && folder.split("/").length - 1 > maxLevels)
    faults.push(`${file} lies deeper than ${maxLevels} levels under src`);
  if (file.startsWith("src/") && /(^|\/)(utils?|helpers?|common|types|index)\.tsx?$/.test(file))
    faults.push(`${file}: name it by its main export`);
  if (!/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(file.slice(folder.length + 1)))
    faults.push(`${file}: file names are kebab-case`);
}
for (const [folder, count] of folders) {
  if (count > maxFiles) faults.push(`${folder} holds ${count} sources: give a part of it a folder of its own`);
}
for (const fault of faults) console.log(fault);
lengths.sort((a, b) => a - b);
console.log(
  `sizes: ${lengths.length} files, median ${lengths[lengths.length >> 1] ?? 0} lines, ${faults.length} faults`,
);
process.exit(faults.length > 0 ? 1 : 0);
