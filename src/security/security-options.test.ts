import { expect, test } from "bun:test";
import { parseSecurityOptions } from "./security-options.ts";

const bare = { apparmor: false, selinux: false, seccomp: true };
const parse = (...rows: string[]) => parseSecurityOptions(rows, bare, { noNewPrivileges: false });

test("parseSecurityOptions() reads no-new-privileges in all spellings", () => {
  expect(parse("no-new-privileges").noNewPrivileges).toBe(true);
  expect(parse("no-new-privileges:true").noNewPrivileges).toBe(true);
  expect(parse("no-new-privileges=0").noNewPrivileges).toBe(false);
  expect(parseSecurityOptions(["no-new-privileges=false"], bare, { noNewPrivileges: true }).noNewPrivileges).toBe(
    false,
  );
  expect(() => parse("no-new-privileges=maybe")).toThrow('invalid --security-opt 2: "no-new-privileges=maybe"');
});

test("parseSecurityOptions() reads a seccomp profile and refuses a broken one", () => {
  expect(parse("seccomp=unconfined").seccomp).toBe("unconfined");
  expect(parse("seccomp:unconfined").seccomp).toBe("unconfined");
  expect(parse('seccomp={"defaultAction":"SCMP_ACT_ALLOW"}').seccomp).toBe('{"defaultAction":"SCMP_ACT_ALLOW"}');
  expect(() => parse("seccomp=/no/such/file")).toThrow("Decoding seccomp profile failed: ");
});

test("parseSecurityOptions() refuses a custom profile where the kernel has no seccomp", () => {
  const read = () =>
    parseSecurityOptions(
      ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'],
      { ...bare, seccomp: false },
      { noNewPrivileges: false },
    );
  expect(read).toThrow("seccomp is not enabled in your kernel, cannot run a custom seccomp profile");
});

test("parseSecurityOptions() warns of labels and profiles that this host cannot apply", () => {
  expect(parse("apparmor=docker-default").warnings).toEqual([
    "AppArmor is not available on this host: apparmor=docker-default has no effect.",
  ]);
  expect(parse("label=type:svirt_t").warnings).toHaveLength(1);
  expect(parse("label=disable", "apparmor=unconfined", "disable").warnings).toEqual([]);
});

test("parseSecurityOptions() reads systempaths and writable-cgroups", () => {
  expect(parse("systempaths=unconfined").systemPathsUnconfined).toBe(true);
  expect(parse("writable-cgroups").writableCgroups).toBe(true);
  expect(parse("writable-cgroups=false").writableCgroups).toBe(false);
  expect(() => parse("systempaths=other")).toThrow("invalid --security-opt 2");
});

test("parseSecurityOptions() refuses unknown rows with Docker's texts", () => {
  expect(() => parse("nonsense")).toThrow('invalid --security-opt 1: "nonsense"');
  expect(() => parse("color=red")).toThrow('invalid --security-opt 2: "color=red"');
});
