import { expect, test } from "bun:test";
import { ExitError } from "../exit-error.ts";
import { renderInspect } from "./inspect.ts";
import recorded from "./inspect.recorded.json" with { type: "json" };
import { typedContainer } from "./shapes.ts";

const collect = (): { text: string; write(text: string): void } => ({
  text: "",
  write(text) {
    this.text += text;
  },
});

interface Case {
  readonly format: string;
  readonly prints?: string;
  readonly fails?: string;
  readonly status?: number;
}
const cases: readonly Case[] = recorded.cases;

for (const { format, prints, fails, status } of cases) {
  test(`inspect --format ${JSON.stringify(format)} does what docker 28.2 does`, () => {
    const out = collect();
    const run = (): void => renderInspect([recorded.container], format, out, typedContainer);
    if (fails === undefined) {
      run();
      expect(out.text).toBe(`${prints}\n`);
      return;
    }
    let failure: unknown;
    try {
      run();
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(ExitError);
    expect({
      message: failure instanceof ExitError ? failure.message : "",
      status: failure instanceof ExitError ? failure.status : 0,
    }).toEqual({ message: fails, status: status ?? 0 });
  });
}

test("inspect without a format prints an array with four spaces", () => {
  const out = collect();
  renderInspect([{ Id: "a", Labels: null, List: [], Map: {} }], undefined, out);
  expect(out.text).toBe(
    '[\n    {\n        "Id": "a",\n        "Labels": null,\n        "List": [],\n        "Map": {}\n    }\n]\n',
  );
});

test("inspect of nothing prints an empty array, or an empty line for a template", () => {
  const plain = collect();
  renderInspect([], undefined, plain);
  expect(plain.text).toBe("[]\n");
  const json = collect();
  renderInspect([], "json", json);
  expect(json.text).toBe("[]\n");
  const template = collect();
  renderInspect([], "{{.Id}}", template);
  expect(template.text).toBe("\n");
});

test("inspect goes on after an object whose template fails, and tells at the end", () => {
  const out = collect();
  expect(() => renderInspect([{ A: 1 }, { B: 2 }, { A: 3 }], "{{.A}}", out)).toThrow(
    'template parsing error: template: :1:2: executing "" at <.A>: map has no entry for key "A"',
  );
  expect(out.text).toBe("1\n3\n");
});
