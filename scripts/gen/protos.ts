import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Glob } from "bun";

/** TypeScript of the .proto files in a folder, by file name: `control.proto` gives `control.gen.ts`. */
export async function protoFiles(folder: string): Promise<Record<string, string>> {
  const work = await mkdtemp(join(tmpdir(), "berth-gen-"));
  try {
    const template = {
      version: "v2",
      plugins: [
        {
          local: join(process.cwd(), "node_modules/.bin/protoc-gen-es"),
          out: "out",
          opt: ["target=ts", "import_extension=ts"],
        },
      ],
    };
    const protos = [...new Glob("*.proto").scanSync(folder)].sort();
    for (const name of protos) await cp(join(folder, name), join(work, name));
    await Bun.write(join(work, "buf.gen.yaml"), JSON.stringify(template));
    await Bun.write(join(work, "buf.yaml"), '{"version":"v2"}');
    const child = Bun.spawn([join(process.cwd(), "node_modules/.bin/buf"), "generate"], {
      cwd: work,
      stdout: "inherit",
      stderr: "inherit",
    });
    if ((await child.exited) !== 0) throw new Error(`buf cannot read the files of ${folder}`);
    const files: Record<string, string> = {};
    for (const name of protos) {
      const text = await Bun.file(join(work, "out", name.replace(".proto", "_pb.ts"))).text();
      files[name.replace(".proto", ".gen.ts")] = text.replace(/"\.\/([a-z-]+)_pb\.ts"/g, '"./$1.gen.ts"');
    }
    return files;
  } finally {
    await rm(work, { recursive: true });
  }
}
