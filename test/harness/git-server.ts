import { join } from "node:path";

/** Bare repositories below a folder, over http as a host of repositories serves them (fetches only). */
export function serveGit(folder: string): Disposable & { readonly url: string } {
  const uploadPack = (repository: string, args: readonly string[], body: Request["body"]): Response => {
    const child = Bun.spawn(["git", "upload-pack", "--stateless-rpc", ...args, join(folder, repository)], {
      stdin: body ?? "ignore",
      stdout: "pipe",
      stderr: "ignore",
      env: { ...process.env, GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "safe.directory", GIT_CONFIG_VALUE_0: "*" },
    });
    return new Response(child.stdout);
  };
  const server = Bun.serve({
    port: 0,
    async fetch(request) {
      const [, repository = "", path = ""] = /^\/([\w.-]+\.git)\/(.*)$/.exec(new URL(request.url).pathname) ?? [];
      if (path === "info/refs") {
        const refs = await uploadPack(repository, ["--advertise-refs"], null).text();
        return new Response(`001e# service=git-upload-pack\n0000${refs}`, {
          headers: { "Content-Type": "application/x-git-upload-pack-advertisement" },
        });
      }
      if (path !== "git-upload-pack") return new Response("", { status: 404 });
      const packed = request.headers.get("content-encoding") === "gzip";
      const bytes = new Uint8Array(await request.arrayBuffer());
      const body = new Response(packed ? Bun.gunzipSync(bytes) : bytes).body;
      const answer = uploadPack(repository, [], body);
      answer.headers.set("Content-Type", "application/x-git-upload-pack-result");
      return answer;
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.dispose]: () => void server.stop(true) };
}
