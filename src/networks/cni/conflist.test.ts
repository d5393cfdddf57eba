import { expect, test } from "bun:test";
import { errorMessage } from "../../base/errors.ts";
import { atLeast, parseConflist } from "./conflist.ts";

const refused = (json: unknown): string => {
  try {
    parseConflist(typeof json === "string" ? json : JSON.stringify(json), "/x");
    return "taken";
  } catch (error) {
    return errorMessage(error);
  }
};

test("a list, and a single plugin's configuration as a list of one", () => {
  const plugins = [{ type: "bridge", isGateway: true }, { type: "portmap" }];
  expect(parseConflist(JSON.stringify({ cniVersion: "1.0.0", name: "net.a_b-c", plugins }), "/x")).toEqual({
    cniVersion: "1.0.0",
    name: "net.a_b-c",
    disableCheck: false,
    disableGc: false,
    plugins,
  });
  expect(parseConflist('{"cniVersion":"0.3.1","name":"one","type":"ptp"}', "/x").plugins).toEqual([
    expect.objectContaining({ type: "ptp" }),
  ]);
});

test("what is no list is refused with the file's name", () => {
  expect(refused("{")).toStartWith("CNI configuration /x: ");
  expect(refused([])).toContain("is no object");
  expect(refused({ name: "a", cniVersion: "new", plugins: [{ type: "x" }] })).toContain("cniVersion is no version");
  for (const name of [undefined, "", "../up", "-x", 7])
    expect(refused({ name, cniVersion: "1.0.0", plugins: [{ type: "x" }] })).toContain("name is no name for a network");
  expect(refused({ name: "a", cniVersion: "1.0.0", plugins: [] })).toContain("has no plugins");
  for (const type of ["../../bin/sh", "/bin/sh", "", undefined])
    expect(refused({ name: "a", cniVersion: "1.0.0", plugins: [{ type }] })).toContain("type is no name of a program");
});

test("versions are compared by their numbers", () => {
  expect([
    atLeast("1.1.0", "1.1.0"),
    atLeast("1.0.10", "1.1.0"),
    atLeast("10.0.0", "9.9.9"),
    atLeast("0.3.1", "0.4.0"),
  ]).toEqual([true, false, true, false]);
});
