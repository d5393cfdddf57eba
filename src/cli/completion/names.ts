import type { EngineClient } from "../../client/engine-client.ts";
import type { Completer } from "../command.ts";
import { parseFilters } from "../values/filter.ts";

/** A person waits for these: an engine that is slower than this is not asked again for the key that was pressed. */
const patienceMs = 1000;

type Kind = Exclude<Completer, "file" | readonly string[]>;

/** Names of a kind of object, from the engine. Without an answer in time there are none. */
export async function namesFor(kind: Kind, engine: EngineClient): Promise<string[]> {
  try {
    return await ask(kind, engine, AbortSignal.timeout(patienceMs));
  } catch {
    // Completion has nowhere to print a failure; the command itself will.
    return [];
  }
}

async function ask(kind: Kind, engine: EngineClient, signal: AbortSignal): Promise<string[]> {
  const options = { signal };
  switch (kind) {
    case "image": {
      const images = await engine.call("ImageList", {}, undefined, options);
      return images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((name) => name !== "<none>:<none>");
    }
    case "network":
      return (await engine.call("NetworkList", {}, undefined, options)).flatMap(({ Name }) => (Name ? [Name] : []));
    case "volume":
      return ((await engine.call("VolumeList", {}, undefined, options)).Volumes ?? []).map(({ Name }) => Name);
    default: {
      const status =
        kind === "running-container" ? ["running"] : kind === "stopped-container" ? ["created", "exited"] : [];
      const containers = await engine.call(
        "ContainerList",
        { all: true, filters: parseFilters([], { status }) },
        undefined,
        options,
      );
      // Names of links look like /other/alias and are not names of the container.
      return containers.flatMap(({ Names }) =>
        (Names ?? [])
          .map((name) => name.slice(1))
          .filter((name) => !name.includes("/"))
          .slice(0, 1),
      );
    }
  }
}
