import { expect, test } from "bun:test";
import fc from "fast-check";
import { alignTabs } from "./tabwriter.ts";
import { compileTemplate, TemplateError } from "./template.ts";

/** Pieces that make many templates nearly right. */
const pieces = fc.constantFrom(
  ..."{{ }} {{- -}} /* */ . .A .B.C $ $x $x:= = | ( ) , \"a\" `b` 'c' 1 1.5 0x1f -3 true nil if else end range with define template block break continue printf print len index slice eq lt and or not json join upper truncate pad html js urlquery call \n \\ @ é %d %s %[1]*d %9999999999d".split(
    " ",
  ),
  " ",
  "{{range .L}}",
  "{{end}}",
);
const json = fc.jsonValue({ maxDepth: 3 });
const value = fc.record({ A: json, B: fc.record({ C: json }), L: fc.array(json, { maxLength: 3 }) });

/** Whatever the template, it prints or fails as a template; nothing else escapes. */
function survives(source: string, data: unknown): void {
  try {
    expect(typeof compileTemplate(source)(data)).toBe("string");
  } catch (error) {
    if (!(error instanceof TemplateError))
      throw new Error(`${JSON.stringify(source)}: ${String(error)}`, { cause: error });
    expect(error.message).toStartWith("template: ");
  }
}

test("random text never breaks the template compiler", () => {
  fc.assert(fc.property(fc.string({ maxLength: 60 }), value, survives), { numRuns: 500 });
});

test("random pieces of templates never break the compiler or the printer", () => {
  fc.assert(
    fc.property(
      fc.array(pieces, { maxLength: 14 }).map((parts) => parts.join("")),
      value,
      survives,
    ),
    { numRuns: 2000 },
  );
});

test("random pieces inside an action never break it either", () => {
  fc.assert(
    fc.property(
      fc.array(pieces, { maxLength: 8 }).map((parts) => `{{${parts.join(" ")}}}`),
      value,
      survives,
    ),
    { numRuns: 2000 },
  );
});

test("random formats never break printf", () => {
  const format = fc
    .array(
      fc.oneof(
        fc.constantFrom(..."% d s v q x X f e g t T c U b o + - # 0 . * [1] [2] [9] 5 12 !".split(" ")),
        fc.string({ maxLength: 3 }),
      ),
      { maxLength: 10 },
    )
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(format, fc.array(json, { maxLength: 3 }), (text, args) =>
      survives("{{printf .F (index .L 0) (index .L 1)}}", { F: text, L: [...args, null, 1] }),
    ),
    { numRuns: 2000 },
  );
});

test("text outside of actions comes out unchanged", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 80 }).filter((text) => !text.includes("{{")),
      (text) => {
        expect(compileTemplate(text)({})).toBe(text);
      },
    ),
  );
});

test("a string literal of JSON prints itself", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(compileTemplate("{{.}}")(text)).toBe(text);
      expect(JSON.parse(compileTemplate("{{json .}}")(text))).toBe(text);
    }),
  );
});

test("deep nesting is refused, not run into the ground", () => {
  expect(() => compileTemplate(`${"{{if 1}}".repeat(5000)}x${"{{end}}".repeat(5000)}`)).toThrow("nests too deeply");
  expect(() => compileTemplate(`{{${"(".repeat(5000)}1${")".repeat(5000)}}}`)).toThrow("nests too deeply");
  expect(() => compileTemplate('{{define "a"}}{{template "a"}}{{end}}{{template "a"}}')({})).toThrow(
    "exceeded maximum template depth",
  );
});

test("aligned text keeps its lines and words", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("a", "b", "\t", "\n", "日") }), (text) => {
      const aligned = alignTabs(text, { minWidth: 3, padding: 1 });
      expect(aligned.split("\n").length).toBe(text.split("\n").length);
      expect(aligned.replaceAll(" ", "")).toBe(text.replaceAll("\t", ""));
    }),
  );
});
