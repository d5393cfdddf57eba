import { expect, test } from "bun:test";
import { flagUsages } from "./flag-usage.ts";

// the words are those of `docker ps --help`, so that its layout at 80 columns can be compared
test("flagUsages() wraps as pflag does", () => {
  const usages = flagUsages(
    {
      all: { type: "bool", short: "a", help: "Show all containers (default shows just running)" },
      filter: { type: "list", short: "f", valueName: "filter", help: "Filter output based on conditions provided" },
      last: { type: "int", short: "n", default: -1, help: "Show n last created containers (includes all states)" },
      format: {
        type: "string",
        help: "Format output using a custom template:\n'table':            Print output in table format",
      },
      size: { type: "bool", help: "Display total file sizes", hidden: true },
    },
    79,
  );
  expect(usages).toBe(`  -a, --all             Show all containers (default shows just running)
  -f, --filter filter   Filter output based on conditions provided
      --format string   Format output using a custom template:
                        'table':            Print output in table format
  -n, --last int        Show n last created containers (includes all
                        states) (default -1)
`);
});

test("flagUsages() shows defaults that are not the zero value", () => {
  const usages = flagUsages(
    {
      pull: { type: "string", default: "missing", help: "x" },
      "sig-proxy": { type: "bool", default: true, help: "x" },
      ulimit: { type: "list", defaultText: "[]", help: "x" },
      user: { type: "string", default: "", help: "x" },
    },
    79,
  );
  expect(usages).toContain('x (default "missing")\n');
  expect(usages).toContain("x (default true)\n");
  expect(usages).toContain("x (default [])\n");
  expect(usages).toMatch(/--user string +x\n/);
});
