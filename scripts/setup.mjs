// What this machine needs, for the scripts that plain Node runs before Bun is there.
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

export const root = new URL("..", import.meta.url).pathname;
export const bun = join(root, "node_modules/.bin/bun");

/** Programs the engine drives, and why. `file` is looked for where a name in PATH is not enough. */
export const enginePackages = [
  { package: "crun", program: "crun", why: "the OCI runtime that starts containers" },
  { package: "runc", program: "runc", why: "the second OCI runtime, for hosts where crun cannot run" },
  { package: "nftables", program: "nft", why: "NAT and published ports" },
  { package: "iproute2", program: "ip", why: "looking at networks" },
  { package: "busybox-static", program: "busybox", why: "the first image, where no registry can be reached" },
  { package: "tini", program: "tini-static", why: "the init of `run --init`" },
  { package: "xz-utils", program: "xz", why: "images that are packed with xz" },
  { package: "procps", program: "ps", why: "`top` with ps options" },
];

/** Programs that only tests use. */
export const testPackages = [
  { package: "docker-compose", program: "docker-compose", why: "tests of builds with compose v1" },
  { package: "git", program: "git", why: "tests of builds from repositories" },
  { package: "tcpdump", program: "tcpdump", why: "tests that no packet of an internal network leaves it" },
  { package: "containernetworking-plugins", program: "../lib/cni/bridge", why: "tests of the cni network driver" },
  { package: "skopeo", program: "skopeo", why: "tests of images and registries with another client" },
  { package: "umoci", program: "umoci", why: "tests with images that another tool made" },
  { package: "podman", program: "podman", why: "tests of our registry with another engine" },
  {
    package: "dropbear-bin",
    program: "dropbear",
    why: "tests of engines that are reached by ssh; no service comes with it",
  },
  { package: "openssh-client", program: "ssh", why: "tests of engines that are reached by ssh" },
  { package: "gnupg", program: "gpg", why: "what the password store of credential helpers encrypts with" },
  { package: "libcap2-bin", program: "setcap", why: "tests that copies keep the capabilities of files" },
  { package: "zstd", program: "zstd", why: "tests of archives that are packed so" },
  { package: "bzip2", program: "bzip2", why: "tests of archives that are packed so" },
  { package: "apache2-utils", program: "htpasswd", why: "tests that its password files are ours too" },
];

const env = { ...process.env, PATH: `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/sbin` };
export const has = (program) => (env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

/** Runs a program with its output shown; throws when it fails. */
export function run(command, args, options = {}) {
  execFileSync(command, args, { cwd: root, env, stdio: "inherit", ...options });
}

/** Installs from Debian what is missing, and nothing that is there. */
export function installPackages(packages, say = console.log) {
  const missing = packages.filter(({ program }) => !has(program));
  if (missing.length === 0) return;
  for (const { package: name, why } of missing) say(`installing ${name}: ${why}`);
  const apt = (...args) =>
    run("apt-get", ["-qq", "-o", "Dpkg::Use-Pty=0", ...args], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...env, DEBIAN_FRONTEND: "noninteractive" },
    });
  apt("update");
  apt("install", "-y", "--no-install-recommends", ...missing.map(({ package: name }) => name));
}

/** The packages of package-lock.json, when they are not the ones that are installed. */
export function installModules(say = console.log) {
  const installed = join(root, "node_modules/.package-lock.json");
  const fresh =
    existsSync(bun) &&
    existsSync(installed) &&
    statSync(installed).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
  if (fresh) return;
  say("installing npm packages: npm ci");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}

/**
 * A program of a Debian package for tests: the machine's, else unpacked without being installed (these packages would
 * start services). Gives the folder to put into PATH, or an empty string.
 */
function unpackedFolder(name, program, why, say) {
  if (has(program)) return "";
  const folder = join(root, "dist/unpacked", name);
  if (!existsSync(join(folder, "usr/bin", program))) {
    say(`unpacking Debian's ${name}: ${why}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    run("apt-get", ["-qq", "update"], { stdio: "ignore" });
    run("apt-get", ["-qq", "download", name], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
    run("dpkg", ["-x", readdirSync(folder).find((file) => file.endsWith(".deb")), "."], { cwd: folder });
  }
  return join(folder, "usr/bin");
}

export const dockerClientFolder = (say = console.log) =>
  unpackedFolder("docker.io", "docker", "the stock client that tests drive", say);

export const dockerRegistryFolder = (say = console.log) =>
  unpackedFolder("docker-registry", "docker-registry", "the registry that tests pull from and push to", say);

/**
 * The password store and the credential helper over it. Not in PATH: docker takes them for its own wherever it finds
 * them, also where nobody has set them up. The folder, or an empty string.
 */
export function credentialHelperFolder(say = console.log) {
  const why = "tests of login with a helper that keeps the password";
  const helpers = unpackedFolder("golang-docker-credential-helpers", "docker-credential-pass", why, say);
  const store = unpackedFolder("pass", "pass", why, say);
  return [helpers, store].filter(Boolean).join(delimiter);
}

const mountedControllers = "/run/berth-cgroup-mounts"; // gone after a reboot, as the mounts are

/**
 * On a host with both cgroup versions, crun refuses when a controller was left to version 2. Mounting that controller
 * as version 1 cures it; nothing uses it there.
 */
export function mountLeftControllers(say = console.log) {
  const list = "/sys/fs/cgroup/unified/cgroup.controllers";
  if (!existsSync(list)) return;
  for (const controller of readFileSync(list, "utf8").trim().split(/\s+/).filter(Boolean)) {
    const folder = join("/sys/fs/cgroup", controller);
    say(
      `mounting the cgroup controller ${controller} at ${folder}: crun refuses a hybrid host that leaves it to cgroup v2`,
    );
    mkdirSync(folder, { recursive: true });
    const done = spawnSync("mount", ["-t", "cgroup", "-o", controller, "cgroup", folder], { encoding: "utf8" });
    if (done.status === 0) appendFileSync(mountedControllers, `${folder}\n`);
    else say(`that failed (${done.stderr.trim()}): containers will use runc`);
  }
}

/** Undoes mountLeftControllers(), but for those in which somebody made cgroups meanwhile. */
export function unmountLeftControllers() {
  if (!existsSync(mountedControllers)) return;
  for (const folder of readFileSync(mountedControllers, "utf8").split("\n").filter(Boolean)) {
    if (readdirSync(folder, { withFileTypes: true }).some((entry) => entry.isDirectory())) continue;
    if (spawnSync("umount", [folder]).status === 0) rmdirSync(folder);
  }
  rmSync(mountedControllers, { force: true });
}
