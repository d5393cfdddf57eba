// Every test: sets up what is missing, then one `bun test` per file, each with a time limit. Ends with `N passed, N failed`.
// usage: npm test [-- <part of a file name>...]
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { cpus } from "node:os";
import { delimiter, join } from "node:path";
import {
  bun,
  credentialHelperFolder,
  dockerClientFolder,
  dockerRegistryFolder,
  enginePackages,
  installModules,
  installPackages,
  mountLeftControllers,
  root,
  run,
  testPackages,
} from "./setup.mjs";
import { newerClientsConfig } from "./newer-clients.mjs";

const limitMs = 180_000; // per file: twice what the slowest takes on a loaded machine
const wanted = process.argv.slice(2);

process.chdir(root);
if (process.getuid() !== 0) console.log("not root: tests that need root will fail");
installPackages([...enginePackages, ...testPackages]);
installModules();
mountLeftControllers();
run(bun, ["scripts/build.ts", "--test"]);
const unpackedFolders = [dockerClientFolder(), dockerRegistryFolder()];
const newerClients = newerClientsConfig();
const env = {
  ...process.env,
  BERTH_BINARY: join(root, "dist/berth-test"),
  BERTH_NEWER_CLIENTS: newerClients,
  BERTH_CREDENTIAL_HELPERS: credentialHelperFolder(),
  PATH: [process.env.PATH, "/usr/sbin", "/sbin", ...unpackedFolders].filter(Boolean).join(delimiter),
};

const files = ["src", "scripts", "test"]
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name)))
  .filter((file) => file.endsWith(".test.ts"))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort((a, b) => Number(b.startsWith("test/")) - Number(a.startsWith("test/")) || a.localeCompare(b)); // long ones first
// Files named `*.alone.test.ts` measure or change the machine: they run one at a time, at the end.
const alone = files.filter((file) => file.includes(".alone."));
const together = files.filter((file) => !alone.includes(file));
const sum = { passed: 0, failed: 0 };
const skipped = [];

/** Files that failed beside others. Each gets one more run of its own, and both are told. */
const again = [];

function testFile(file, { last }) {
  const startedAt = Date.now();
  const child = spawn(bun, ["test", `./${file}`, "--timeout", "60000"], {
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let late = false;
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  const timer = setTimeout(() => {
    late = true;
    process.kill(-child.pid, "SIGKILL"); // its own group: what it started goes too
  }, limitMs);
  return new Promise((resolve) =>
    child.on("close", (status) => {
      clearTimeout(timer);
      const count = (word) => Number(new RegExp(`^ *(\\d+) ${word}`, "m").exec(output)?.[1] ?? 0);
      const failed = Math.max(count("fail"), late || status !== 0 ? 1 : 0);
      if (failed && !last) again.push(file);
      else {
        sum.passed += count("pass");
        sum.failed += failed;
      }
      for (const [, name] of output.matchAll(/^\((?:skip|todo)\) (.*)$/gm)) skipped.push(`${file}: ${name}`);
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
      console.log(
        `${failed ? "FAIL" : "ok  "} ${file} ${count("pass")} passed${failed ? `, ${failed} failed` : ""} ${seconds}s`,
      );
      if (failed) console.log(`${output.trimEnd()}${late ? `\nkilled after ${limitMs / 1000}s` : ""}`);
      resolve();
    }),
  );
}

async function testAll(list, jobs, options = { last: true }) {
  const queue = [...list];
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      for (let file = queue.shift(); file; file = queue.shift()) await testFile(file, options);
    }),
  );
}

// One more than there are cores: tests of real containers wait more than they compute.
await testAll(together, Number(process.env.TEST_JOBS ?? Math.min(4, cpus().length + 1)), { last: false });
await testAll(alone, 1);
const flaky = [...again];
await testAll(flaky, 1);
for (const file of flaky) console.log(`failed beside others and was run again by itself: ${file}`);
for (const name of skipped) console.log(`not run: ${name}`);
if (files.length === 0) console.log(`no test file matches ${wanted.join(" ")}`);
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed > 0 || files.length === 0 ? 1 : 0;
