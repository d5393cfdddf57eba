// A folder imports only folders of a lower rank, or itself; a face reaches no engine room; no import is in a cycle.
import { Glob } from "bun";
import { dirname, join, normalize } from "node:path";

const ranks = [
  "base",
  "kernel spec",
  "store client",
  "events security content",
  "distribution snapshots runtime logs volumes networks",
  "images metrics monitor",
  "containers build",
  "cluster registry",
  "api cri buildkit",
  "daemon cli web",
].map((level) => level.split(" "));
const denied: Record<string, string[]> = {
  api: ["kernel", "runtime", "monitor"],
  cri: ["kernel", "runtime", "monitor"],
  registry: ["kernel", "runtime", "monitor"],
  cli: ["kernel", "store", "containers", "api"],
  web: ["kernel", "store", "containers", "api"],
};
const rank = new Map(ranks.flatMap((level, index) => level.map((folder) => [folder, index] as const)));
const importPattern = /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*["'](\.[^'"]+)["']|import\(\s*["'](\.[^'"]+)["']/gm;
const graph = new Map<string, string[]>();
const faults: string[] = [];

for (const file of [...new Glob("**/*.{ts,tsx}").scanSync("src")].sort()) {
  const imports: string[] = [];
  const isTest = /\.test\.tsx?$|\/fixtures\/|\.fixture\.ts$/.test(file);
  const from = file.includes("/") ? file.slice(0, file.indexOf("/")) : "";
  if (from !== "" && !rank.has(from))
    faults.push(`src/${file}: folder ${from} has no rank, add it in scripts/check-layers.ts`);
  for (const [, fixed, lazy] of (await Bun.file(join("src", file)).text()).matchAll(importPattern)) {
    const target = normalize(join(dirname(file), fixed ?? lazy ?? ""));
    const to = target.slice(0, target.indexOf("/"));
    if (!lazy) imports.push(target); // a lazy import cannot be part of an evaluation cycle
    if (target.startsWith("..") && !isTest) faults.push(`src/${file}: imports ${target}, outside of src`);
    if (from === "" || from === to || target.startsWith("..")) continue;
    if ((rank.get(to) ?? 99) >= (rank.get(from) ?? -1))
      faults.push(`src/${file}: ${from} may not import ${to} (${target})`);
    // types of an upper face may name what it shows; running code of the engine room may not be reached
    if (denied[from]?.includes(to) && !isTest) faults.push(`src/${file}: ${from} may not import ${to} (${target})`);
  }
  graph.set(file, imports);
}

const done = new Set<string>();
const path: string[] = [];
function visit(file: string): void {
  const at = path.indexOf(file);
  if (at >= 0) faults.push(`cycle: ${[...path.slice(at), file].join(" -> ")}`);
  if (at >= 0 || done.has(file) || !graph.has(file)) return;
  path.push(file);
  for (const next of graph.get(file) ?? []) visit(next);
  path.pop();
  done.add(file);
}
for (const file of graph.keys()) visit(file);

for (const fault of faults) console.log(fault);
console.log(`layers: ${graph.size} files, ${faults.length} faults`);
process.exit(faults.length > 0 ? 1 : 0);
