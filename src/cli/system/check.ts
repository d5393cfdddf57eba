import { command } from "../command.ts";
import { alignTabs } from "../render/tabwriter.ts";
import { shortId } from "../render/units.ts";

export const systemCheck = command({
  path: "system check",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Check that images, layers and blobs are what they must be",
  flags: {
    format: { type: "string", short: "f", help: "Format of the output: 'json'" },
    quick: { type: "bool", help: "Only look whether everything is there, not what it holds" },
    repair: { type: "bool", help: "Make or fetch what is damaged again, or else drop it" },
  },
  async run({ flags, engine, stdout, signal }) {
    const query = flags.quick ? { quick: true } : {};
    const report = await engine.call(flags.repair ? "SystemRepair" : "SystemCheck", query, undefined, { signal });
    const bad = report.Findings.filter(({ Repaired }) => Repaired === "").length;
    if (flags.format === "json") {
      stdout.write(`${JSON.stringify(report)}\n`);
      return bad > 0 ? 1 : 0;
    }
    stdout.write(`Checked ${report.Images} images, ${report.Layers} layers, ${report.Blobs} blobs\n`);
    if (report.Findings.length === 0) {
      stdout.write("Nothing is damaged\n");
      return 0;
    }
    const rows = report.Findings.map(
      ({ Kind, ID, Problem, Images, Repaired }) =>
        `${Kind}\t${shortId(ID)}\t${Images.join(", ") || "<none>"}\t${Problem}\t${Repaired || "-"}`,
    );
    stdout.write(
      `\n${alignTabs(["KIND\tID\tIMAGES\tPROBLEM\tREPAIRED", ...rows].join("\n"), { minWidth: 10, padding: 3 })}\n`,
    );
    if (bad > 0 && !flags.repair) stdout.write("\nRun it with --repair to mend what can be mended\n");
    return bad > 0 ? 1 : 0;
  },
});
