import { describe, expect, test } from "bun:test";
import type { FlagTable } from "./command.ts";
import { parseFlags } from "./parse.ts";

const flags = {
  all: { type: "bool", short: "a", help: "" },
  quiet: { type: "bool", short: "q", help: "" },
  filter: { type: "list", short: "f", help: "" },
  last: { type: "int", short: "n", default: -1, help: "" },
  memory: { type: "bytes", short: "m", help: "" },
  interval: { type: "duration", help: "" },
  format: { type: "string", help: "" },
  weight: {
    type: "string",
    help: "",
    check: (value) => {
      if (value === "bad") throw new Error("no good");
    },
  },
} as const satisfies FlagTable;

const parse = (...argv: string[]) => parseFlags(flags, argv);

describe("parseFlags", () => {
  test("takes flags in every form pflag takes", () => {
    expect(parse("-aq").values).toMatchObject({ all: true, quiet: true });
    expect(parse("-fa=b", "-f", "c=d", "--filter", "e", "--filter=g=h").values["filter"]).toEqual([
      "a=b",
      "c=d",
      "e",
      "g=h",
    ]);
    expect(parse("-f=x=y").values["filter"]).toEqual(["x=y"]);
    expect(parse("-an5").values).toMatchObject({ all: true, last: 5 });
    expect(parse("-n", "-1").values["last"]).toBe(-1);
    expect(parse("--last=0x10").values["last"]).toBe(16);
    expect(parse("--all=false").values["all"]).toBe(false);
    expect(parse("-m1g").values["memory"]).toBe(1024 ** 3);
    expect(parse("--format=").values["format"]).toBe("");
  });

  test("knows which flags were written, also when they repeat the default", () => {
    const { set, values } = parse("--last", "-1");
    expect([...set]).toEqual(["last"]);
    expect(values["last"]).toBe(-1);
    expect(parse().set.size).toBe(0);
  });

  test("mixes flags and arguments until -- ends the flags", () => {
    expect(parse("one", "-a", "two", "--", "-q")).toMatchObject({
      args: ["one", "two", "-q"],
      values: { all: true, quiet: false },
    });
    expect(parse("-").args).toEqual(["-"]);
  });

  test("stops at the first argument where the command wants it", () => {
    const { args, values } = parseFlags(flags, ["-a", "image", "-q", "--bogus"], { stopAtFirstArgument: true });
    expect(args).toEqual(["image", "-q", "--bogus"]);
    expect(values).toMatchObject({ all: true, quiet: false });
  });

  // recorded from docker 28.2.2
  test.each([
    [["--bogus"], "unknown flag: --bogus"],
    [["--bogus=1"], "unknown flag: --bogus"],
    [["-Z"], "unknown shorthand flag: 'Z' in -Z"],
    [["-aZq"], "unknown shorthand flag: 'Z' in -Zq"],
    [["--last"], "flag needs an argument: --last"],
    [["-n"], "flag needs an argument: 'n' in -n"],
    [["-an"], "flag needs an argument: 'n' in -n"],
    [["-n", "zz"], 'invalid argument "zz" for "-n, --last" flag: strconv.ParseInt: parsing "zz": invalid syntax'],
    [
      ["--last", "99999999999999999999"],
      'invalid argument "99999999999999999999" for "-n, --last" flag: strconv.ParseInt: parsing "99999999999999999999": value out of range',
    ],
    [["--all=zz"], 'invalid argument "zz" for "-a, --all" flag: strconv.ParseBool: parsing "zz": invalid syntax'],
    [["-m", "zz"], `invalid argument "zz" for "-m, --memory" flag: invalid size: 'zz'`],
    [["--interval", "zz"], 'invalid argument "zz" for "--interval" flag: time: invalid duration "zz"'],
    [["--weight", "bad"], 'invalid argument "bad" for "--weight" flag: no good'],
    [["--=x"], "bad flag syntax: --=x"],
    [["---x"], "bad flag syntax: ---x"],
  ])("%p is refused in docker's words", (argv, message) => {
    expect(() => parse(...argv)).toThrow(new Error(message));
  });

  test("tells help from other flags, and -h as the old way", () => {
    expect(parse("--help")).toMatchObject({ help: true, shortHelp: false });
    expect(parse("-h")).toMatchObject({ help: true, shortHelp: true });
    expect(parse("--help=false").help).toBe(false);
    expect(() => parse("-h", "--bogus")).toThrow("unknown flag: --bogus");
  });

  test("is not fooled by names that every object has", () => {
    expect(() => parse("--constructor")).toThrow("unknown flag: --constructor");
    expect(() => parse("--__proto__=1")).toThrow("unknown flag: --__proto__");
  });
});
