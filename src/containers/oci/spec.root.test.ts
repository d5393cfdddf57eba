import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "bun:test";
import { capabilitiesOfMask, defaultCapabilities } from "../../security/capabilities.ts";
import { type Bench, failure, openBench, statusRow } from "./runtime.fixture.ts";

const benches = { crun: await openBench("crun"), runc: await openBench("runc") };
afterAll(async () => {
  for (const bench of Object.values(benches)) await bench[Symbol.asyncDispose]();
});

// any block device will do
const blockDevice = `/dev/${(await readdir("/sys/block"))[0] ?? ""}`;

describe.each(["crun", "runc"] as const)("with %s", (name) => {
  const bench: Bench = benches[name];

  test("a container has Docker's capabilities, none inherited, and a filter", async () => {
    const status = await bench.sh("cat /proc/self/status");
    for (const set of ["CapPrm", "CapEff", "CapBnd"]) expect(statusRow(status, set)).toBe("00000000a80425fb");
    for (const set of ["CapInh", "CapAmb"]) expect(statusRow(status, set)).toBe("0000000000000000");
    expect(statusRow(status, "Seccomp")).toBe("2");
    expect(statusRow(status, "NoNewPrivs")).toBe("0");
    expect(statusRow(status, "Groups")).toBe("0");
  });

  test("capabilities are added and dropped, privileges given up", async () => {
    const status = await bench.sh("cat /proc/self/status", {
      HostConfig: { CapAdd: ["NET_ADMIN"], CapDrop: ["CHOWN", "MKNOD"], SecurityOpt: ["no-new-privileges"] },
    });
    const expected = [
      ...defaultCapabilities.filter((cap) => cap !== "CAP_CHOWN" && cap !== "CAP_MKNOD"),
      "CAP_NET_ADMIN",
    ].sort();
    expect(capabilitiesOfMask(statusRow(status, "CapBnd")).sort()).toEqual(expected);
    expect(statusRow(status, "NoNewPrivs")).toBe("1");
    expect(statusRow(await bench.sh("cat /proc/self/status", { HostConfig: { CapDrop: ["ALL"] } }), "CapEff")).toBe(
      "0000000000000000",
    );
  });

  test("the filter refuses namespaces and mounts, unconfined it does not", async () => {
    expect((await bench.run({ Cmd: ["unshare", "-U", "true"] })).code).not.toBe(0);
    const open = { HostConfig: { SecurityOpt: ["seccomp=unconfined"] } };
    expect(statusRow(await bench.sh("cat /proc/self/status", open), "Seccomp")).toBe("0");
    expect((await bench.run({ Cmd: ["unshare", "-U", "true"], ...open })).code).toBe(0);
  });

  test("a profile of the user's refuses what it says", async () => {
    const profile = JSON.stringify({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [
        { name: "mkdir", action: "SCMP_ACT_ERRNO" },
        { names: ["mkdirat"], action: "SCMP_ACT_ERRNO" },
      ],
    });
    const out = await bench.sh("mkdir /tmp/x 2>&1; touch /tmp/y && echo touched", {
      HostConfig: { SecurityOpt: [`seccomp=${profile}`] },
    });
    expect(out).toContain("Operation not permitted");
    expect(out).toContain("touched");
  });

  test("its mounts are Docker's", async () => {
    const rows = (await bench.sh("cut -d' ' -f5- /proc/self/mountinfo")).trim().split("\n");
    const kinds = rows.map((row) => row.replace(/^(\S+) (\S+?),\S* .*- (\S+) .*$/, "$1 $2 $3"));
    expect(kinds).toEqual(
      expect.arrayContaining([
        "/proc rw proc",
        "/dev rw tmpfs",
        "/dev/pts rw devpts",
        "/sys ro sysfs",
        "/dev/mqueue rw mqueue",
        "/dev/shm rw tmpfs",
        "/proc/bus ro proc",
        "/proc/fs ro proc",
        "/proc/irq ro proc",
        "/proc/sys ro proc",
        "/sys/firmware ro tmpfs",
        "/proc/acpi ro tmpfs",
        "/sys/fs/cgroup/memory ro cgroup",
      ]),
    );
    expect(kinds.filter((row) => row.endsWith(" cgroup") && !row.includes(" ro "))).toEqual([]);
    expect(rows.find((row) => row.startsWith("/dev/shm "))).toContain("size=65536k");
  });

  test("hidden paths are empty, read-only ones cannot be written", async () => {
    const out = await bench.sh(
      "wc -c < /proc/keys; wc -c < /proc/timer_list; ls /sys/firmware | wc -l; echo x 2>&1 > /proc/sys/kernel/hostname || echo refused; echo b 2>&1 > /proc/sysrq-trigger || echo refused",
    );
    expect(out.match(/^0$/gm)).toHaveLength(3);
    expect(out.match(/refused/g)).toHaveLength(2);
    expect(
      await bench.sh("wc -c < /proc/timer_list", { HostConfig: { SecurityOpt: ["systempaths=unconfined"] } }),
    ).not.toBe("0\n");
  });

  test("a read-only root refuses writes, mounts in it do not", async () => {
    const data = join(bench.folder, "data");
    mkdirSync(data, { recursive: true });
    const out = await bench.sh(
      "touch /x 2>&1 || echo refused; touch /data/y /dev/shm/z /tmp/t && echo fine; echo >> /etc/hosts 2>/dev/null || echo hosts refused",
      {
        HostConfig: { ReadonlyRootfs: true, Binds: [`${data}:/data`], Tmpfs: { "/tmp": "" } },
      },
    );
    expect(out).toContain("refused");
    expect(out).toContain("fine");
    expect(out).toContain("hosts refused");
    expect(existsSync(join(data, "y"))).toBe(true);
  });

  test("binds are read-only below as well, tmpfs have their options", async () => {
    const data = join(bench.folder, "ro");
    mkdirSync(data, { recursive: true });
    const out = await bench.sh("touch /ro/x 2>&1 || echo refused; grep ' /t ' /proc/mounts; grep ' /e ' /proc/mounts", {
      HostConfig: {
        Binds: [`${data}:/ro:ro`],
        Tmpfs: { "/e": "exec,size=1m" },
        Mounts: [{ Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 2 * 1024 * 1024, Mode: 0o1770 } }],
      },
    });
    expect(out).toContain("refused");
    expect(out).toMatch(/tmpfs \/t tmpfs rw,nosuid,nodev,noexec,relatime,size=2048k,mode=1770/);
    expect(out).toMatch(/tmpfs \/e tmpfs rw,nosuid,nodev,relatime,size=1024k/);
  });

  test("users and groups come from the image's files", async () => {
    writeFileSync(
      join(bench.rootfs, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n",
    );
    writeFileSync(join(bench.rootfs, "etc/group"), "root:x:0:\nweb:x:1000:\nstaff:x:50:web\n");
    const who = "id -u; id -g; id -G; echo $HOME; grep CapEff /proc/self/status";
    const none = "CapEff:\t0000000000000000";
    expect(await bench.sh(who, { User: "web" })).toBe(`1000\n1000\n1000 50\n/home/web\n${none}\n`);
    expect(await bench.sh(who, { User: "4711:4712", HostConfig: { GroupAdd: ["staff", "77"] } })).toBe(
      `4711\n4712\n4712 50 77\n/\n${none}\n`,
    );
    expect(await failure(bench.sh(who, { User: "ghost" }))).toContain(
      "unable to find user ghost: no matching entries in passwd file",
    );
    expect(await bench.sh("echo $HOME", { User: "web", Env: ["HOME=/mine"] })).toBe("/mine\n");
  });

  test("a privileged container has everything and hides nothing", async () => {
    const out = await bench.sh(
      "cat /proc/self/status; ls /dev; grep -c ' /sys sysfs rw' /proc/mounts; echo ok > /dev/null; touch /sys/fs/cgroup/memory/cgroup.procs && echo writable",
      { HostConfig: { Privileged: true } },
    );
    const host = statusRow(await Bun.file("/proc/self/status").text(), "CapEff");
    expect(statusRow(out, "CapBnd")).toBe(host);
    expect(statusRow(out, "CapInh")).toBe("0000000000000000");
    expect(statusRow(out, "Seccomp")).toBe("0");
    expect(out).toContain("kmsg");
    expect(out).toContain("writable");
  });

  test("limits are in the container's cgroup files", async () => {
    const at = (controller: string, file: string) => `cat /sys/fs/cgroup/${controller}/${file}`;
    const out = await bench.sh(
      [
        at("memory", "memory.limit_in_bytes"),
        at("memory", "memory.memsw.limit_in_bytes"),
        at("cpu", "cpu.cfs_quota_us"),
        at("cpu", "cpu.shares"),
        at("pids", "pids.max"),
        at("cpuset", "cpuset.cpus"),
        at("memory", "memory.soft_limit_in_bytes"),
      ].join("; "),
      {
        HostConfig: {
          Memory: 64 << 20,
          NanoCpus: 5e8,
          CpuShares: 512,
          PidsLimit: 50,
          CpusetCpus: "0",
          MemoryReservation: 32 << 20,
        },
      },
    );
    expect(out).toBe(`${64 << 20}\n${128 << 20}\n50000\n512\n50\n0\n${32 << 20}\n`);
  });

  test("ulimits, sysctls, names, working directory and OOM score are as asked", async () => {
    const out = await bench.sh(
      "ulimit -n; ulimit -Hn; ulimit -c; cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_unprivileged_port_start; hostname; cat /proc/sys/kernel/domainname; pwd; cat /proc/self/oom_score_adj; cat /etc/hostname",
      {
        Hostname: "web",
        Domainname: "example.org",
        WorkingDir: "/made/here",
        HostConfig: {
          OomScoreAdj: 500,
          Ulimits: [
            { Name: "nofile", Soft: 100, Hard: 200 },
            { Name: "core", Soft: -1, Hard: -1 },
          ],
          Sysctls: { "net.core.somaxconn": "77", "kernel.shmmax": "12345" },
        },
      },
    );
    expect(out).toBe("100\n200\nunlimited\n77\n12345\n0\nweb\nexample.org\n/made/here\n500\nweb\n");
  });

  test("more than this engine may give is cut, not refused", async () => {
    const { code, stdout, warnings } = await bench.run({
      Cmd: ["sh", "-c", "ulimit -Hn"],
      HostConfig: { OomScoreAdj: -900, Ulimits: [{ Name: "nofile", Soft: 9e6, Hard: 9e6 }] },
    });
    expect(code).toBe(0);
    expect(Number(stdout)).toBeLessThanOrEqual(9e6);
    expect(warnings.length === 2 || stdout === "9000000\n").toBe(true);
  });

  test("devices are there with their rights, others are refused", async () => {
    const out = await bench.sh(
      "ls -l /dev/mynull; echo x > /dev/mynull && echo written; mknod /tmp/k c 1 2; cat /tmp/k 2>&1; true",
      {
        HostConfig: { Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/mynull", CgroupPermissions: "rw" }] },
      },
    );
    expect(out).toContain("1,   3");
    expect(out).toContain("written");
    expect(out).toContain("Operation not permitted");
    expect(
      await failure(
        bench.sh("true", {
          HostConfig: { Devices: [{ PathOnHost: "/dev/nosuch", PathInContainer: "/dev/x", CgroupPermissions: "rwm" }] },
        }),
      ),
    ).toContain(
      'error gathering device information while adding custom device "/dev/nosuch": no such file or directory',
    );
    expect(
      await failure(bench.sh("true", { HostConfig: { DeviceRequests: [{ Count: -1, Capabilities: [["gpu"]] }] } })),
    ).toContain('could not select device driver "" with capabilities: [[gpu]]');
  });

  test("device rules and I/O limits reach the cgroup", async () => {
    const out = await bench.sh(
      "cat /sys/fs/cgroup/devices/devices.list /sys/fs/cgroup/blkio/blkio.throttle.read_bps_device",
      {
        HostConfig: {
          DeviceCgroupRules: ["c 10:201 rw", "b *:* r"],
          BlkioDeviceReadBps: [{ Path: blockDevice, Rate: 1048576 }],
        },
      },
    );
    expect(out).toContain("c 10:201 rw\n");
    expect(out).toMatch(/^b \*:\* rm?$/m); // runtimes add mknod for all
    expect(out).toMatch(/^\d+:\d+ 1048576$/m);
  });

  test("host modes share, own ones do not", async () => {
    const own = async (kind: string): Promise<string> => (await Bun.$`readlink /proc/self/ns/${kind}`.text()).trim();
    const inside = await bench.sh(
      "for n in pid ipc uts net cgroup; do readlink /proc/self/ns/$n; done",
      { HostConfig: { PidMode: "host", IpcMode: "host", UTSMode: "host", NetworkMode: "host" } },
      { shmPath: "/dev/shm" },
    );
    expect(inside.trim().split("\n")).toEqual(await Promise.all(["pid", "ipc", "uts", "net", "cgroup"].map(own)));
    const apart = (
      await bench.sh("for n in pid ipc uts net cgroup; do readlink /proc/self/ns/$n; done", {
        HostConfig: { CgroupnsMode: "private" },
      })
    )
      .trim()
      .split("\n");
    for (const [index, kind] of ["pid", "ipc", "uts", "net", "cgroup"].entries())
      expect(apart[index]).not.toBe(await own(kind));
  });
});
