// A registry in this process for tests: honest unless a test makes it lie.
import { createHash } from "node:crypto";
import { mediaTypes, type OciDescriptor } from "../../spec/oci/descriptor.ts";

export const digestOf = (bytes: Uint8Array, algorithm = "sha256"): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;

export interface Held {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export class TestRegistry implements AsyncDisposable {
  readonly blobs = new Map<string, Buffer>();
  /** By `repository:tag` and by digest. */
  readonly manifests = new Map<string, Held>();
  /** `GET /v2/a/blobs/sha256:...`, with the range asked for. */
  readonly requests: string[] = [];
  /** Answers instead of the registry; undefined = the registry does. */
  tamper: (request: Request, url: URL) => Response | Promise<Response> | undefined = () => undefined;
  /** Which repository says that it has which blob. */
  readonly #links = new Set<string>();
  readonly #uploads = new Map<string, Buffer[]>();
  readonly #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 60,
    fetch: (request) => this.#answer(request),
  });

  get host(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  blob(bytes: Uint8Array, mediaType: string, name = ""): OciDescriptor {
    const digest = digestOf(bytes);
    this.#links.add(`${name.split(":")[0]} ${digest}`);
    this.blobs.set(digest, Buffer.from(bytes));
    return { mediaType, digest, size: bytes.length };
  }

  manifest(name: string, value: object, mediaType: string = mediaTypes.dockerManifest): OciDescriptor {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = digestOf(bytes);
    for (const key of [name, digest]) this.manifests.set(key, { mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }

  /** An image of plain tars, its layers packed by `pack`. Gives its manifest's descriptor. */
  image(name: string, tars: readonly Buffer[], options: ImageOptions = {}): OciDescriptor & { readonly id: string } {
    const { pack = (tar) => Buffer.from(Bun.gzipSync(new Uint8Array(tar))), layerType = mediaTypes.dockerLayerGzip } =
      options;
    const config = Buffer.from(
      JSON.stringify({
        ...{ architecture: "amd64", os: "linux", created: "2020-01-01T00:00:00Z", config: { Cmd: ["sh"] } },
        ...{ rootfs: { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) }, history: [] },
        ...options.config,
      }),
    );
    const descriptor = this.manifest(name, {
      ...{ schemaVersion: 2, mediaType: mediaTypes.dockerManifest },
      config: this.blob(config, options.configType ?? mediaTypes.dockerConfig, name),
      layers: tars.map((tar) => this.blob(pack(tar), layerType, name)),
      ...options.manifest,
    });
    return { ...descriptor, id: digestOf(config) };
  }

  index(name: string, manifests: readonly object[], mediaType: string = mediaTypes.ociIndex): OciDescriptor {
    return this.manifest(name, { schemaVersion: 2, mediaType, manifests }, mediaType);
  }

  /** Requests whose line has the text. */
  asked(text: string): string[] {
    return this.requests.filter((line) => line.includes(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const range = request.headers.get("range");
    this.requests.push(`${request.method} ${url.pathname}${url.search}${range === null ? "" : ` ${range}`}`);
    return (await this.tamper(request, url)) ?? (await this.#honest(request, url));
  }

  async #honest(request: Request, url: URL): Promise<Response> {
    const [, repository = "", kind, name = ""] = /^\/v2\/(.+)\/(manifests|blobs|tags)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === undefined) return new Response("{}");
    if (kind === "tags") {
      const tags = [...this.manifests.keys()].flatMap((key) =>
        key.startsWith(`${repository}:`) ? [key.slice(repository.length + 1)] : [],
      );
      return Response.json({ name: repository, tags });
    }
    if (kind === "manifests") return this.#manifest(request, repository, name);
    if (name.startsWith("uploads/")) return this.#upload(request, repository, url);
    const blob = this.blobs.get(name);
    if (!blob || !this.#links.has(`${repository} ${name}`)) return refuse("BLOB_UNKNOWN");
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
    const headers = { "Docker-Content-Digest": name, "Content-Type": "application/octet-stream" };
    if (request.method === "HEAD")
      return new Response(null, { headers: { ...headers, "Content-Length": String(blob.length) } });
    if (start === 0) return new Response(new Uint8Array(blob), { headers });
    return new Response(new Uint8Array(blob.subarray(start)), {
      status: 206,
      headers: { ...headers, "Content-Range": `bytes ${start}-${blob.length - 1}/${blob.length}` },
    });
  }

  async #manifest(request: Request, repository: string, name: string): Promise<Response> {
    const isDigest = name.includes(":");
    if (request.method === "PUT") {
      const bytes = Buffer.from(await request.arrayBuffer());
      const held = { bytes, mediaType: request.headers.get("content-type") ?? "" };
      for (const key of [isDigest ? name : `${repository}:${name}`, digestOf(bytes)]) this.manifests.set(key, held);
      return new Response(null, { status: 201, headers: { "Docker-Content-Digest": digestOf(bytes) } });
    }
    const held = this.manifests.get(isDigest ? name : `${repository}:${name}`);
    if (!held) return refuse("MANIFEST_UNKNOWN");
    const headers = { "Content-Type": held.mediaType, "Docker-Content-Digest": digestOf(held.bytes) };
    if (request.method === "HEAD")
      return new Response(null, { headers: { ...headers, "Content-Length": String(held.bytes.length) } });
    return new Response(new Uint8Array(held.bytes), { headers });
  }

  async #upload(request: Request, repository: string, url: URL): Promise<Response> {
    const mount = url.searchParams.get("mount");
    if (request.method === "POST") {
      if (mount !== null && this.#links.has(`${url.searchParams.get("from")} ${mount}`)) {
        this.#links.add(`${repository} ${mount}`);
        return new Response(null, { status: 201 });
      }
      const id = crypto.randomUUID();
      this.#uploads.set(id, []);
      return new Response(null, { status: 202, headers: { Location: `/v2/${repository}/blobs/uploads/${id}` } });
    }
    const id = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
    const parts = this.#uploads.get(id);
    if (!parts) return refuse("BLOB_UPLOAD_UNKNOWN");
    parts.push(Buffer.from(await request.arrayBuffer()));
    const bytes = Buffer.concat(parts);
    const digest = url.searchParams.get("digest");
    if (request.method === "PATCH" || digest === null)
      return new Response(null, {
        status: 202,
        headers: { Location: url.pathname, Range: `0-${Math.max(0, bytes.length - 1)}` },
      });
    if (digestOf(bytes) !== digest) return refuse("DIGEST_INVALID", 400);
    this.blobs.set(digest, bytes);
    this.#links.add(`${repository} ${digest}`);
    return new Response(null, { status: 201, headers: { Location: `/v2/${repository}/blobs/${digest}` } });
  }
}

export interface ImageOptions {
  readonly pack?: (tar: Buffer) => Buffer;
  readonly layerType?: string;
  readonly configType?: string;
  /** Members in place of those of the configuration or the manifest. */
  readonly config?: object;
  readonly manifest?: object;
}

const refuse = (code: string, status = 404): Response =>
  Response.json({ errors: [{ code, message: code.toLowerCase().replaceAll("_", " ") }] }, { status });

/** Bytes in pieces, each given only when the one before it was `passed`. */
export function slowly(pieces: readonly Uint8Array[], passed: (index: number) => Promise<void>): Response {
  let next = 0;
  return new Response(
    new ReadableStream({
      async pull(controller) {
        const piece = pieces[next];
        if (piece === undefined) return controller.close();
        controller.enqueue(piece);
        await passed(next++);
      },
    }),
    { headers: { "Content-Length": String(pieces.reduce((sum, { length }) => sum + length, 0)) } },
  );
}
