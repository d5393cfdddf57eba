import { commonSyscalls } from "./common-syscalls.ts";
import type { SeccompProfile, SeccompRule } from "./profile.ts";

const allow = (names: string, more: Omit<SeccompRule, "names" | "action"> = {}): SeccompRule => ({
  names: names.split(" "),
  action: "SCMP_ACT_ALLOW",
  ...more,
});
const when = (value: number, op: "EQ" | "LT" | "GT" | "MASKED_EQ", index = 0) => ({
  args: [{ index, value, op: `SCMP_CMP_${op}` }],
});

// sys/personality.h: what a program may ask for without changing how it is protected
const personalities = [
  0x0 /* PER_LINUX */, 0x8 /* PER_LINUX32 */, 0x20000 /* UNAME26 */, 0x20008, 0xffffffff /* asks only */,
];

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: a clone with none of them is allowed. */
const newNamespaces = 0x7e020000;

/** Calls that come with a capability. */
const byCapability: Readonly<Record<string, string>> = {
  CAP_DAC_READ_SEARCH: "open_by_handle_at",
  CAP_SYS_ADMIN:
    "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
  CAP_SYS_BOOT: "reboot",
  CAP_SYS_CHROOT: "chroot",
  CAP_SYS_MODULE: "delete_module init_module finit_module",
  CAP_SYS_PACCT: "acct",
  CAP_SYS_PTRACE: "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
  CAP_SYS_RAWIO: "iopl ioperm",
  CAP_SYS_TIME: "settimeofday stime clock_settime clock_settime64",
  CAP_SYS_TTY_CONFIG: "vhangup",
  CAP_SYS_NICE: "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
  CAP_SYSLOG: "syslog",
  CAP_BPF: "bpf",
  CAP_PERFMON: "perf_event_open",
};

/** Calls that exist on some architectures only; Go's names. */
const byArchitecture: readonly (readonly [arches: readonly string[], names: string])[] = [
  [["ppc64le"], "sync_file_range2 swapcontext"],
  [["arm", "arm64"], "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"],
  [["amd64", "x32"], "arch_prctl"],
  [["amd64", "x32", "x86"], "modify_ldt"],
  [["s390", "s390x"], "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"],
  [["riscv64"], "riscv_flush_icache"],
];

const withSubs = (architecture: string, ...subs: string[]) => ({
  architecture: `SCMP_ARCH_${architecture}`,
  subArchitectures: subs.map((sub) => `SCMP_ARCH_${sub}`),
});

/**
 * The profile of a container that names none: equal in effect to Docker's (a test compares them where a copy of
 * Docker's lies). Everything not listed fails with EPERM.
 */
export const defaultProfile: SeccompProfile = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 1, // EPERM
  archMap: [
    withSubs("X86_64", "X86", "X32"),
    withSubs("AARCH64", "ARM"),
    withSubs("MIPS64", "MIPS", "MIPS64N32"),
    withSubs("MIPS64N32", "MIPS", "MIPS64"),
    withSubs("MIPSEL64", "MIPSEL", "MIPSEL64N32"),
    withSubs("MIPSEL64N32", "MIPSEL", "MIPSEL64"),
    withSubs("S390X", "S390"),
    withSubs("RISCV64"),
    withSubs("LOONGARCH64"),
  ],
  syscalls: [
    { names: commonSyscalls, action: "SCMP_ACT_ALLOW" },
    // ptrace could leave the filter before Linux 4.8
    allow("process_vm_readv process_vm_writev ptrace", { includes: { minKernel: "4.8" } }),
    // every family but 38 (AF_ALG: kernel crypto) and 40 (AF_VSOCK: the hypervisor)
    allow("socket", when(38, "LT")),
    allow("socket", when(39, "EQ")),
    allow("socket", when(40, "GT")),
    ...personalities.map((persona) => allow("personality", when(persona, "EQ"))),
    ...byArchitecture.map(([arches, names]) => allow(names, { includes: { arches } })),
    ...Object.entries(byCapability).map(([capability, names]) => allow(names, { includes: { caps: [capability] } })),
    allow("clone", {
      ...when(newNamespaces, "MASKED_EQ"),
      excludes: { caps: ["CAP_SYS_ADMIN"], arches: ["s390", "s390x"] },
    }),
    // s390 takes the flags as its second argument
    allow("clone", {
      ...when(newNamespaces, "MASKED_EQ", 1),
      includes: { arches: ["s390", "s390x"] },
      excludes: { caps: ["CAP_SYS_ADMIN"] },
    }),
    // its flags lie in memory, out of a filter's sight: ENOSYS makes the C library take clone
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38, excludes: { caps: ["CAP_SYS_ADMIN"] } },
  ],
};
