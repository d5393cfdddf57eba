import { command } from "../command.ts";
import { renderList, type ColumnTable } from "../render/table.ts";
import type { FilesystemChange } from "../../spec/engine/types.gen.ts";

const letters = ["C", "A", "D"];

const columns: ColumnTable<FilesystemChange> = {
  Type: { header: "CHANGE TYPE", value: ({ Kind }) => letters[Kind] ?? "" },
  Path: { header: "PATH", value: ({ Path }) => Path },
};

export const diff = command({
  path: "container diff",
  aliases: ["diff"],
  args: "CONTAINER",
  arity: { min: 1, max: 1 },
  summary: "Show what changed in a container's files",
  complete: "container",
  flags: {},
  async run({ args, engine, stdout }) {
    const [id = ""] = args;
    const changes = (await engine.call("ContainerChanges", { id })) as FilesystemChange[] | null;
    renderList(changes ?? [], {
      format: undefined,
      columns,
      defaultFormat: "{{.Type}} {{.Path}}",
      typeName: "*formatter.diffContext",
      stdout,
    });
  },
});
