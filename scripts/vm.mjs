// Runs a shell script in a machine of its own: Debian's cloud kernel in QEMU without KVM, a pure cgroup v2 host with
// nothing but the engine. usage: node scripts/vm.mjs test/vm/cgroup2.sh [--modules macvlan,ipvlan] [--timeout SECONDS]
// The script finds `berth`, `docker` and the functions of test/vm/lib.sh; its last line says what passed and failed.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { bun, dockerClientFolder, installModules, installPackages, root, run } from "./setup.mjs";

const vmPackages = [
  { package: "qemu-system-x86", program: "qemu-system-x86_64", why: "the machine for tests of other kernels" },
  { package: "debootstrap", program: "debootstrap", why: "that machine's files" },
];
const guestPackages = "crun,runc,nftables,iproute2,busybox-static,kmod,procps,curl,tini,ca-certificates,iptables";
/** The disk and what finds it are modules of that kernel; ext4 is built in. */
const diskModules = [
  "virtio",
  "virtio_ring",
  "virtio_pci_legacy_dev",
  "virtio_pci_modern_dev",
  "virtio_pci",
  "virtio_blk",
];
const engineModules =
  "overlay bridge veth nf_tables nft_chain_nat nft_masq nft_nat nft_fib_inet nft_ct nf_conntrack br_netfilter";

const [script, ...rest] = process.argv.slice(2);
const option = (name, otherwise) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : otherwise);
if (!script) throw new Error("which script? usage: node scripts/vm.mjs test/vm/cgroup2.sh");
const modules = option("--modules", "").split(",").filter(Boolean);
const timeoutS = Number(option("--timeout", "300"));

// not below the repository: `bun test NAME` walks all of that, and a whole system holds links that lead it into /proc
const folder = join(tmpdir(), "berth-vm");
const quiet = { stdio: ["ignore", "ignore", "inherit"] };
mkdirSync(folder, { recursive: true });
installPackages(vmPackages);
if (!existsSync(bun)) installModules();
run(bun, ["scripts/build.ts"], quiet);
const kernel = makeKernel();
makeRoot();
makeInitrd(kernel);
process.exit(await boot(kernel));

/** Debian's kernel for virtual machines, unpacked and not installed. */
function makeKernel() {
  const unpacked = join(folder, "kernel");
  if (!existsSync(join(unpacked, "boot"))) {
    console.log("unpacking Debian's cloud kernel");
    const depends = execFileSync("apt-cache", ["depends", "linux-image-cloud-amd64"], { encoding: "utf8" });
    const [name] = /linux-image-\S+-cloud-amd64/.exec(depends.replace("linux-image-cloud-amd64", "")) ?? [];
    if (!name) throw new Error(`apt knows no cloud kernel: ${depends}`);
    run("apt-get", ["-qq", "download", name], { cwd: folder, ...quiet });
    const deb = readdirSync(folder).find((file) => file.startsWith("linux-image") && file.endsWith(".deb"));
    run("dpkg", ["-x", join(folder, deb), unpacked], quiet);
  }
  const image = readdirSync(join(unpacked, "boot")).find((file) => file.startsWith("vmlinuz-"));
  return { image: join(unpacked, "boot", image), release: image.slice("vmlinuz-".length), unpacked };
}

/** The machine's files, with the engine of now. */
function makeRoot() {
  const files = join(folder, "root");
  if (!existsSync(join(files, "usr/bin/crun"))) {
    console.log("making the machine's files: debootstrap");
    if (existsSync(files)) throw new Error(`${files} is half made: unmount what is mounted below it and remove it`);
    const site = execFileSync("apt-get", ["indextargets", "--format", "$(SITE)", "Created-By: Packages"], {
      encoding: "utf8",
    }).split("\n")[0];
    run("debootstrap", ["--variant=minbase", `--include=${guestPackages}`, "bookworm", files, site], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  // debootstrap leaves them mounted where it was cut
  for (const place of ["proc", "sys"]) spawnSync("umount", ["-l", join(files, place)], { stdio: "ignore" });
  const docker = join(
    dockerClientFolder() || execFileSync("sh", ["-c", "dirname $(command -v docker)"], { encoding: "utf8" }).trim(),
    "docker",
  );
  copyFileSync(docker, join(files, "usr/local/bin/docker"));
  copyFileSync(join(root, "dist/berth"), join(files, "usr/local/bin/berth"));
  rmSync(join(files, "lib/modules"), { recursive: true, force: true });
  run("cp", ["-r", join(kernel.unpacked, "lib/modules"), join(files, "usr/lib/")], quiet);
  run("chroot", [files, "depmod", kernel.release], quiet);
  copyFileSync(join(root, "test/vm/lib.sh"), join(files, "lib.sh"));
  copyFileSync(script, join(files, "test.sh"));
  writeFileSync(join(files, "modules"), `${engineModules} ${modules.join(" ")}\n`);
  copyFileSync(join(root, "test/vm/init.sh"), join(files, "init.sh"));
  chmodSync(join(files, "init.sh"), 0o755);
  const disk = join(folder, "root.img");
  rmSync(disk, { force: true });
  run("truncate", ["-s", "2G", disk]);
  run("mkfs.ext4", ["-q", "-d", files, disk], quiet);
}

function makeInitrd({ unpacked, release }) {
  const files = join(folder, "initrd");
  rmSync(files, { recursive: true, force: true });
  mkdirSync(join(files, "bin"), { recursive: true });
  copyFileSync(
    execFileSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).trim(),
    join(files, "bin/busybox"),
  );
  for (const name of diskModules) {
    const found = execFileSync("find", [join(unpacked, "lib/modules", release), "-name", `${name}.ko`], {
      encoding: "utf8",
    });
    if (found.trim()) copyFileSync(found.trim().split("\n")[0], join(files, `${name}.ko`));
  }
  const insert = diskModules.map((name) => `b insmod /${name}.ko 2>/dev/null`).join("; ");
  writeFileSync(
    join(files, "init"),
    `#!/bin/busybox sh
b() { /bin/busybox "$@"; }
b mkdir -p /dev /new; b mount -t devtmpfs dev /dev
for round in 1 2 3; do ${insert}; done # whatever needs which
for i in $(/bin/busybox seq 100); do [ -b /dev/vda ] && break; b sleep 0.2; done
b mount -t ext4 /dev/vda /new; b mount -o move /dev /new/dev
exec /bin/busybox switch_root /new /init.sh
`,
    { mode: 0o755 },
  );
  run("sh", [
    "-c",
    `cd "$0" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 > "$1"`,
    files,
    join(folder, "initrd.gz"),
  ]);
}

/** Boots, shows what the machine says, gives the exit status. */
async function boot({ image }) {
  const log = join(folder, `${basename(script, ".sh")}.log`);
  writeFileSync(log, "");
  const disk = `file=${join(folder, "root.img")},format=raw,if=virtio,snapshot=on`;
  const append = "console=ttyS0 quiet panic=-1 init=/init.sh rw";
  const machine = spawn(
    "qemu-system-x86_64",
    [
      ...["-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "2", "-no-reboot", "-display", "none", "-nic", "none"],
      ...["-serial", "stdio", "-monitor", "none", "-kernel", image, "-initrd", join(folder, "initrd.gz")],
      ...["-append", append, "-drive", disk],
    ],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, PATH: `${process.env.PATH}${delimiter}/usr/bin` } },
  );
  const timer = setTimeout(() => machine.kill("SIGKILL"), timeoutS * 1000);
  let text = "";
  machine.stdout.on("data", (chunk) => {
    text += chunk;
    appendFileSync(log, chunk);
    process.stdout.write(chunk);
  });
  await new Promise((resolve) => machine.on("close", resolve));
  clearTimeout(timer);
  const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(text) ?? [];
  if (passed === undefined) console.log(`the machine did not come to its end within ${timeoutS} s, see ${log}`);
  return passed !== undefined && failed === "0" ? 0 : 1;
}
