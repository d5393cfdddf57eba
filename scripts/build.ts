// Builds dist/berth. `--test` builds dist/berth-test, which keeps the fault points. Does nothing when nothing changed.
import { Glob } from "bun";
import { mkdirSync, renameSync } from "node:fs";

const forTests = process.argv.includes("--test");
const out = forTests ? "dist/berth-test" : "dist/berth";
const sources = [...new Glob("src/**/*.{ts,tsx,html,css}").scanSync()]
  .filter((file) => !file.endsWith(".test.ts"))
  .sort();
const git = Bun.which("git"); // a machine that only runs the engine may have none
const commit =
  git === null
    ? "unknown"
    : Bun.spawnSync([git, "rev-parse", "--short=7", "HEAD"], { stderr: "ignore" }).stdout.toString().trim() ||
      "unknown";
const { version } = (await Bun.file("package.json").json()) as { version: string };

const hash = new Bun.CryptoHasher("sha256");
hash.update(
  `${commit} ${Bun.version} ${await Bun.file("scripts/build.ts").text()} ${await Bun.file("package-lock.json").text()}`,
);
for (const file of sources) hash.update(`\0${file}\0${await Bun.file(file).text()}`);
const stamp = hash.digest("hex");
const stampFile = Bun.file(`${out}.stamp`);
if ((await Bun.file(out).exists()) && (await stampFile.exists()) && (await stampFile.text()) === stamp) {
  console.log(`${out} is fresh`);
  process.exit(0);
}

const epoch = process.env["SOURCE_DATE_EPOCH"];
const defines: Record<string, string> = {
  NODE_ENV: "production",
  BERTH_VERSION: version,
  BERTH_COMMIT: commit,
  BERTH_BUILD_TIME: new Date(epoch === undefined ? Date.now() : Number(epoch) * 1000).toISOString(),
  ...(forTests ? {} : { BERTH_FAULT_POINTS: "off" }),
};
const workers = sources.filter((file) => file.endsWith("-worker.ts"));
mkdirSync("dist", { recursive: true });
const build = Bun.spawnSync(
  [
    process.execPath,
    "build",
    "--compile",
    "--minify",
    "--bytecode",
    "--splitting",
    "--format=esm",
    // a compiled program would otherwise run code of the folder it is started in
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    // entries keep their name beside the chunks, so `new URL("./x-worker.ts", import.meta.url)` holds in both forms
    "--entry-naming",
    "[name].ts",
    ...Object.entries(defines).flatMap(([name, value]) => ["--define", `process.env.${name}=${JSON.stringify(value)}`]),
    "src/main.ts",
    ...workers,
    "--outfile",
    `${out}.new`,
  ],
  { stdout: "inherit", stderr: "inherit" },
);
if (build.exitCode !== 0) process.exit(1);
renameSync(`${out}.new`, out); // a daemon that runs keeps its old file
await Bun.write(stampFile, stamp);
console.log(`${out} ${version} (${commit})`);
