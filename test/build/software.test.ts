import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";

/** Debian's packages that the Dockerfiles unpack; kept for the next time. */
const packages = {
  c: ["tcc", "libtcc-dev", "libc6", "libc6-dev", "linux-libc-dev", "libcrypt1", "libcrypt-dev", "libgcc-s1"],
  python: [
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libexpat1",
    "zlib1g",
    "libc6",
    "libssl3",
    "libffi8",
    "libbz2-1.0",
    "liblzma5",
  ],
  nginx: ["nginx", "nginx-common", "libpcre2-8-0", "libcrypt1", "zlib1g", "libssl3", "libc6"],
  node: ["libc6", "libstdc++6", "libgcc-s1"],
} as const;
const cache = new URL("../../dist/build-packages/", import.meta.url).pathname;
const have = download();
const needs = (name: string): string =>
  have ? name : `${name} (not run: packages could not be had from Debian's archive)`;
const node = Bun.which("node") ?? "";

function download(): boolean {
  mkdirSync(cache, { recursive: true });
  const wanted = [...new Set(Object.values(packages).flat())];
  const files = readdirSync(cache);
  const missing = wanted.filter((name) => !files.some((file) => file.startsWith(`${name}_`)));
  if (missing.length === 0) return true;
  const got = Bun.spawnSync(["apt-get", "-qq", "download", ...missing], {
    cwd: cache,
    stdout: "ignore",
    stderr: "ignore",
  });
  return got.exitCode === 0;
}

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  folder = await mkdtemp("/tmp/berth-software-");
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** A context with the packages' files below `root/`, and these files. */
async function context(name: keyof typeof packages, files: Record<string, string>): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, "root"), { recursive: true });
  const all = readdirSync(cache);
  for (const wanted of packages[name]) {
    const file = all.find((known) => known.startsWith(`${wanted}_`)) ?? "";
    const unpacked = await run(["dpkg-deb", "-x", join(cache, file), join(path, "root")]);
    if (unpacked.status !== 0) throw new Error(unpacked.stderr);
  }
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}
async function build(path: string, tag: string, ...more: string[]): Promise<void> {
  const { status, stderr } = await daemon.berth(["build", "-t", tag, ...more, path]);
  if (status !== 0) throw new Error(stderr);
}
/** What the service of a running container answers. */
const answer = (name: string, port: number): Promise<string> =>
  until(`${name} answers`, async () => {
    const got = await daemon.docker(["exec", name, "/bin/busybox", "wget", "-qO-", `http://127.0.0.1:${port}/`]);
    return got.status === 0 ? got.stdout : undefined;
  });

describe("real software is built and runs", () => {
  test(
    needs("a C program in two stages, to scratch"),
    async () => {
      if (!have) return;
      const path = await context("c", {
        "hello.c":
          '#include <stdio.h>\n#include <math.h>\nint main(int n, char **v) { printf("hello %s, %d\\n", v[1], n); return 0; }\n',
        Dockerfile: `FROM busybox AS build
COPY root/ /
WORKDIR /src
COPY hello.c .
RUN --mount=type=tmpfs,target=/tmp tcc -o /hello hello.c && /hello build
FROM scratch
COPY --from=build /lib64/ /lib64/
COPY --from=build /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6 /lib/x86_64-linux-gnu/
COPY --from=build --chmod=555 /hello /hello
USER 65534
ENTRYPOINT ["/hello"]
CMD ["world"]
`,
      });
      await build(path, "local/c");
      expect(await daemon.ok("run", "--rm", "local/c")).toBe("hello world, 2");
      expect(await daemon.ok("run", "--rm", "local/c", "you")).toBe("hello you, 2");
    },
    60_000,
  );

  test(
    needs("a Python app"),
    async () => {
      if (!have) return;
      const path = await context("python", {
        "app.py":
          'import http.server, json, sys\nclass H(http.server.BaseHTTPRequestHandler):\n  def do_GET(self):\n    self.send_response(200); self.end_headers(); self.wfile.write(json.dumps({"python": sys.version_info[:2]}).encode())\nhttp.server.HTTPServer(("", 8000), H).serve_forever()\n',
        Dockerfile: `FROM busybox
COPY root/ /
RUN ln -s python3.11 /usr/bin/python3 && python3 -c 'import ssl, json, http.server; print("imports work")'
WORKDIR /app
COPY app.py .
RUN --mount=type=cache,target=/root/.cache python3 -m py_compile app.py
EXPOSE 8000
HEALTHCHECK --interval=1s CMD wget -qO- http://127.0.0.1:8000/
CMD ["python3", "-u", "app.py"]
`,
      });
      await build(path, "local/python");
      await daemon.ok("run", "-d", "--name", "python", "local/python");
      expect(await answer("python", 8000)).toBe('{"python": [3, 11]}');
      await daemon.ok("rm", "-f", "python");
    },
    60_000,
  );

  test(
    needs("an nginx site"),
    async () => {
      if (!have) return;
      const path = await context("nginx", {
        "index.html": "<h1>built</h1>\n",
        "nginx.conf":
          "daemon off;\nuser root;\nerror_log stderr;\nevents {}\nhttp { access_log off; server { listen 80; root /site; } }\n",
        Dockerfile: `FROM busybox
COPY root/ /
RUN mkdir -p /var/lib/nginx /var/log/nginx /run && nginx -v
COPY index.html /site/
COPY nginx.conf /etc/nginx/nginx.conf
RUN nginx -t
STOPSIGNAL SIGQUIT
CMD ["nginx"]
`,
      });
      await build(path, "local/nginx");
      await daemon.ok("run", "-d", "--name", "nginx", "local/nginx");
      expect(await answer("nginx", 80)).toBe("<h1>built</h1>\n");
      await daemon.ok("rm", "-f", "nginx");
    },
    60_000,
  );

  test(
    needs("a Node.js service with a package of npm"),
    async () => {
      if (!have || node === "") return;
      const path = await context("node", {
        "server.mjs":
          'import { createServer } from "node:http";\nimport { stringify } from "yaml";\ncreateServer((_, reply) => reply.end(stringify({ node: true, list: [1] }))).listen(3000);\n',
        ".dockerignore": "node_modules/.cache\n",
        Dockerfile: `FROM busybox AS base
COPY root/ /
COPY node /usr/bin/node
FROM base AS check
COPY --parents server.mjs node_modules/yaml /app/
RUN cd /app && node --check server.mjs
FROM base
COPY --link --from=check /app /app
WORKDIR /app
ENV NODE_ENV=production
CMD ["node", "server.mjs"]
`,
      });
      await cp(node, join(path, "node"), { dereference: true });
      await cp(new URL("../../node_modules/yaml", import.meta.url).pathname, join(path, "node_modules/yaml"), {
        recursive: true,
      });
      expect(existsSync(join(path, "node_modules/yaml/package.json"))).toBe(true);
      await build(path, "local/node");
      await daemon.ok("run", "-d", "--name", "node", "local/node");
      expect(await answer("node", 3000)).toBe("node: true\nlist:\n  - 1\n");
      await daemon.ok("rm", "-f", "node");
    },
    60_000,
  );
});
