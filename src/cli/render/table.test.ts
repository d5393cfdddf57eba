import { expect, test } from "bun:test";
import { type ColumnTable, formatList, type ListOptions } from "./table.ts";
import { alignTabs } from "./tabwriter.ts";

interface Row {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}
const rows: readonly Row[] = [
  { id: "a396dd0a230d", name: "bridge", labels: {} },
  { id: "92abe6ddb8d4", name: "a-much-longer-name", labels: { "x.y": "1" } },
];
const columns: ColumnTable<Row> = {
  ID: { header: "NETWORK ID", value: ({ id }) => id },
  Name: { header: "NAME", value: ({ name }) => name },
};
const list = (format: string | undefined, more: Partial<ListOptions<Row>> = {}): string =>
  formatList(rows, {
    format,
    columns,
    defaultFormat: "table {{.ID}}\t{{.Name}}\t{{.ID}}",
    typeName: "*network.networkContext",
    label: ({ labels }, name) => labels[name] ?? "",
    stdout: process.stdout,
    ...more,
  });

test("the default table has docker's widths: at least 10, three blanks apart, the last column as it is", () => {
  expect(list(undefined)).toBe(
    "NETWORK ID     NAME                 NETWORK ID\n" +
      "a396dd0a230d   bridge               a396dd0a230d\n" +
      "92abe6ddb8d4   a-much-longer-name   92abe6ddb8d4\n",
  );
  expect(list("table")).toBe(list(undefined));
});

test("a table of one's own has the same headings, and \\t is a tab", () => {
  expect(list("table {{.Name}}\\t{{.ID}}")).toBe(
    "NAME                 NETWORK ID\n" + "bridge               a396dd0a230d\n" + "a-much-longer-name   92abe6ddb8d4\n",
  );
});

test("functions leave headings alone", () => {
  expect(list("table {{upper .Name}}\\t{{truncate .ID 3}}\\t{{json .ID}}").split("\n").slice(0, 2)).toEqual([
    "NAME                 NETWORK ID   NETWORK ID",
    'BRIDGE               a39          "a396dd0a230d"',
  ]);
});

test("a label's heading is the last part of its name", () => {
  expect(list('table {{.Name}}\\t{{.Label "com.example.my-label"}}').split("\n")[0]).toBe(
    "NAME                 my label",
  );
  expect(list('{{.Label "x.y"}}')).toBe("\n1\n");
});

test("json prints an object a row, keys sorted, HTML escaped as docker's rows are", () => {
  expect(
    formatList([{ id: "<none>", name: "a&b", labels: {} }], {
      format: "json",
      columns,
      defaultFormat: "",
      stdout: process.stdout,
    }),
  ).toBe('{"ID":"\\u003cnone\\u003e","Name":"a\\u0026b"}\n');
});

test("quiet prints ids, and a format wins over it", () => {
  expect(list(undefined, { quiet: true })).toBe("a396dd0a230d\n92abe6ddb8d4\n");
  expect(list("{{.Name}}", { quiet: true })).toBe("bridge\na-much-longer-name\n");
});

test("an empty list prints the headings", () => {
  expect(
    formatList([], { format: undefined, columns, defaultFormat: "table {{.ID}}\t{{.Name}}", stdout: process.stdout }),
  ).toBe("NETWORK ID   NAME\n");
});

test("an unknown column is an error that names docker's type", () => {
  expect(() => list("{{.Foo}}")).toThrow(
    'template parsing error: template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type *network.networkContext',
  );
  expect(() => list("{{.Foo")).toThrow("template parsing error: template: :1: unclosed action");
  expect(() => list("{{upper 5}}")).toThrow(
    'template parsing error: template: :1:8: executing "" at <5>: expected string; found 5',
  );
});

test("a column is as long as the run of lines that have it, as in Go's tabwriter", () => {
  expect(alignTabs("a\tb\tc\nlonger-than-ten\tb\nplain\nx\ty", { minWidth: 4, padding: 1 })).toBe(
    "a               b   c\nlonger-than-ten b\nplain\nx   y",
  );
  expect(alignTabs("ä\tb\n日本\tc", { minWidth: 2, padding: 1 })).toBe("ä  b\n日本 c");
});
