import { rfc3339 } from "../../base/clock.ts";
import type { Image } from "../../images/image.ts";
import type { OciRunConfig } from "../../spec/oci/image.ts";
import type { ApiDeps } from "../deps.ts";

/** GET /images/{name}/json as API 1.51 has it. */
export function imageJson(image: Image, system: ApiDeps["system"]) {
  const { config } = image;
  return {
    Id: image.id,
    RepoTags: [...image.references],
    RepoDigests: [...image.digests],
    Parent: "",
    Comment: config.history?.at(-1)?.comment ?? "",
    ...(config.created !== undefined && { Created: config.created }),
    DockerVersion: typeof config["docker_version"] === "string" ? config["docker_version"] : "",
    Author: config.author ?? "",
    Architecture: config.architecture,
    ...(config.variant !== undefined && { Variant: config.variant }),
    Os: config.os,
    Size: image.sizeBytes,
    GraphDriver: { Data: {}, Name: system.storageDriver },
    RootFS: { Type: "layers", Layers: [...config.rootfs.diff_ids] },
    Metadata: { LastTagTime: rfc3339(image.references.length === 0 ? 0n : image.taggedAtNs) },
    Config: runConfigJson(config.config ?? {}),
  };
}

function runConfigJson(config: OciRunConfig) {
  return {
    ...config,
    Cmd: config.Cmd ?? null,
    Entrypoint: config.Entrypoint ?? null,
    Env: config.Env ?? null,
    Labels: config.Labels ?? null,
    OnBuild: config.OnBuild ?? null,
    User: config.User ?? "",
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? "",
  };
}

/** An element of GET /images/json as API 1.51 has it. */
export function imageSummary(image: Image, options: { containers: number; sharedBytes: number }) {
  return {
    Containers: options.containers,
    Created: createdSeconds(image),
    Id: image.id,
    Labels: image.config.config?.Labels ?? null,
    ParentId: "",
    RepoDigests: [...image.digests],
    RepoTags: [...image.references],
    SharedSize: options.sharedBytes,
    Size: image.sizeBytes,
  };
}

/** Seconds since the epoch; 0 for an image that does not say (reproducible builds). */
export function createdSeconds(image: Image): number {
  const time = Date.parse(image.config.created ?? "");
  return Number.isNaN(time) ? 0 : Math.floor(time / 1000);
}
