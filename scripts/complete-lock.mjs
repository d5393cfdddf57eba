// After a change of dependencies: `npm install --package-lock-only` leaves out optional packages of other platforms
// that the registry in use does not hold, and `npm ci` then refuses the lock file everywhere. This names them in it.
// usage: node scripts/complete-lock.mjs [--check]
import { readFileSync, writeFileSync } from "node:fs";

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm", "arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64"];

let added = 0;
for (const [path, entry] of Object.entries(lock.packages)) {
  delete entry.resolved; // no addresses in the lock file
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const known = [`${path}/node_modules/${name}`, `node_modules/${name}`].some((key) => key in lock.packages);
    const words = name.split(/[/-]/);
    const os = words.find((word) => systems.includes(word));
    if (known || os === undefined) continue;
    const cpu = words.find((word) => processors.includes(word));
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(cpu && { cpu: [cpu] }),
      ...(entry.dev && { dev: true }),
      optional: true,
      os: [os],
    };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
if (process.argv.includes("--check")) {
  console.log(
    added === 0
      ? "the lock file is complete"
      : `package-lock.json lacks ${added} packages (run: node scripts/complete-lock.mjs)`,
  );
  process.exitCode = added === 0 ? 0 : 1;
} else {
  writeFileSync("package-lock.json", `${JSON.stringify(lock, undefined, 2)}\n`);
  console.log(`added ${added} packages`);
}
