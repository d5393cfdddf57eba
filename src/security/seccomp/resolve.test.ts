import { createHash } from "node:crypto";
import { expect, test } from "bun:test";
import { defaultCapabilities } from "../capabilities.ts";
import { defaultProfile } from "./default-profile.ts";
import { parseProfile } from "./profile.ts";
import { resolveSeccomp } from "./resolve.ts";

const host = { arch: "amd64", kernel: "6.18.44-x", capabilities: defaultCapabilities };

/** Every (call, action, errno, arguments) once, sorted: what a filter does, however its rules are cut. */
function effect(profile: ReturnType<typeof resolveSeccomp>): string[] {
  const rows = (profile?.syscalls ?? []).flatMap((rule) =>
    (rule.names ?? []).map((name) => JSON.stringify([name, rule.action, rule.errnoRet ?? null, rule.args ?? []])),
  );
  return [...new Set(rows)].sort();
}
const digest = (rows: readonly string[]): string =>
  createHash("sha256").update(rows.join("\n")).digest("hex").slice(0, 16);

// Digests of Docker's own profile (moby/profiles seccomp 0.2.3), resolved with the same conditions.
const docker = [
  ["amd64", "6.18", defaultCapabilities, "b86d54761e302570"],
  ["amd64", "3.10", defaultCapabilities, "27fd19c210924f7e"],
  ["amd64", "6.18", [...defaultCapabilities, "CAP_SYS_ADMIN", "CAP_BPF", "CAP_SYS_PTRACE"], "59dc21b6fe0f7ee5"],
  ["arm64", "6.18", defaultCapabilities, "74658596358fb677"],
  ["s390x", "6.18", [], "20241591d4d3f1fe"],
] as const;

test.each(docker)(
  "the default profile does what Docker's does on %s, Linux %s",
  (arch, kernel, capabilities, expected) => {
    expect(digest(effect(resolveSeccomp(defaultProfile, { arch, kernel, capabilities })))).toBe(expected);
  },
);

test("the default profile takes the architectures of the host", () => {
  const resolved = resolveSeccomp(defaultProfile, host);
  expect(resolved?.architectures).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
  expect(resolved?.defaultAction).toBe("SCMP_ACT_ERRNO");
  expect(resolved?.defaultErrnoRet).toBe(1);
});

test("namespaces can be made only with CAP_SYS_ADMIN", () => {
  const names = (capabilities: readonly string[]) =>
    resolveSeccomp(defaultProfile, { ...host, capabilities })?.syscalls.flatMap((rule) => rule.names ?? []);
  expect(names(defaultCapabilities)).not.toContain("unshare");
  expect(names([...defaultCapabilities, "CAP_SYS_ADMIN"])).toContain("unshare");
});

test("resolveSeccomp() wants all of includes and none of excludes", () => {
  const rule = (name: string, more: object) => ({ names: [name], action: "SCMP_ACT_ALLOW", ...more });
  const profile = parseProfile(
    JSON.stringify({
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        rule("old", { excludes: { minKernel: "5.0" } }),
        rule("new", { includes: { minKernel: "6.18" } }),
        rule("newer", { includes: { minKernel: "6.19" } }),
        rule("both", { includes: { caps: ["CAP_CHOWN", "CAP_SYS_ADMIN"] } }),
        rule("arm", { includes: { arches: ["arm64"] } }),
        rule("notHere", { excludes: { arches: ["amd64"] } }),
        { name: "single", action: "SCMP_ACT_LOG", comment: "old spelling" },
      ],
    }),
  );
  const resolved = resolveSeccomp(profile, host);
  expect(resolved?.syscalls).toEqual([
    { names: ["new"], action: "SCMP_ACT_ALLOW" },
    { names: ["single"], action: "SCMP_ACT_LOG" },
  ]);
});

test("an OCI profile passes through, arguments and flags included", () => {
  const oci = {
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: ["SCMP_ARCH_X86_64"],
    flags: ["SECCOMP_FILTER_FLAG_LOG"],
    syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 3, op: "SCMP_CMP_EQ" }] }],
  };
  expect(resolveSeccomp(parseProfile(JSON.stringify(oci)), host) as object).toEqual(oci);
});

test("an empty profile means no filter", () => {
  expect(resolveSeccomp(parseProfile("{}"), host)).toBeUndefined();
});

test("parseProfile() refuses what is no profile and says where", () => {
  const bad: [string, string][] = [
    ["{", "Decoding seccomp profile failed: "],
    ["[]", "not a JSON object"],
    ['{"defaultAction":"SCMP_ACT_MAYBE"}', 'unknown defaultAction "SCMP_ACT_MAYBE"'],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"allow"}]}',
      'syscalls[0]: unknown action "allow"',
    ],
    ['{"syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]}', "both 'name' and 'names' are specified"],
    ['{"architectures":["x"],"archMap":[{}]}', "both 'architectures' and 'archMap' are specified"],
    ['{"syscalls":{"names":[]}}', "syscalls is not a list"],
    ['{"syscalls":[{"names":[1],"action":"SCMP_ACT_ALLOW"}]}', "names is not a list of texts"],
    [`{"x":"${"y".repeat(1024 * 1024)}"}`, "larger than"],
  ];
  for (const [text, why] of bad) expect(() => parseProfile(text)).toThrow(why);
});
