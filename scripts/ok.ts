// The gate: everything that must hold before a change is done. `--no-tests` leaves the tests to `npm test`.
const bun = process.execPath;
const bin = (name: string): string => `node_modules/.bin/${name}`;
const steps: Record<string, string[]> = {
  format: [bin("oxfmt"), "--check", "src", "test", "scripts"],
  lint: [bin("oxlint"), "--quiet"],
  types: [bin("tsc"), "--noEmit"],
  layers: [bun, "scripts/check-layers.ts"],
  closures: [bun, "scripts/check-closure.ts"],
  sizes: [bun, "scripts/check-size.ts"],
  generated: [bun, "scripts/gen.ts", "--check"],
  docs: [bun, "scripts/docs.ts", "--check"],
  "dead code": [bin("knip"), "--include", "files,unlisted,unresolved,duplicates", "--no-config-hints"],
  "lock file": ["node", "scripts/complete-lock.mjs", "--check"],
  build: [bun, "scripts/build.ts"],
};
if (!process.argv.includes("--no-tests")) steps["tests"] = ["node", "scripts/test.mjs"];

const failed: string[] = [];
for (const [name, command] of Object.entries(steps)) {
  const startedAt = performance.now();
  const live = name === "tests"; // long: shown as it goes
  const child = Bun.spawn(command, {
    stdout: live ? "inherit" : "pipe",
    stderr: live ? "inherit" : "pipe",
    env: { ...process.env, NO_COLOR: "1" },
  });
  const output = live
    ? ""
    : (await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])).join("");
  const good = (await child.exited) === 0;
  if (!good) {
    failed.push(name);
    process.stdout.write(output.endsWith("\n") || output === "" ? output : `${output}\n`);
  }
  const note = good ? (output.trim().split("\n").at(-1) ?? "") : command.join(" ");
  console.log(
    `${good ? "ok    " : "FAILED"} ${name.padEnd(10)} ${((performance.now() - startedAt) / 1000).toFixed(1)}s  ${note}`,
  );
}
console.log(failed.length === 0 ? "ok: all green" : `not ok: ${failed.join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);

export {};
