import { ApiError } from "../../client/engine-client.ts";
import type { SystemVersion } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";
import { objectFormat } from "../render/format-flag.ts";
import { goJson, type GoMap, GoNil, type GoStruct } from "../render/go-value.ts";
import { expandObject } from "../render/object-format.ts";
import { alignTabs } from "../render/tabwriter.ts";
import { ansiTime } from "../render/units.ts";
import { type ClientVersion, clientVersion } from "./client-version.ts";
import { openStruct } from "./open-struct.ts";

export const version = command({
  path: "version",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Show the version of the command line and of the engine",
  flags: { format: objectFormat },
  async run({ flags, engine, stdout, env, contextName }) {
    let server: SystemVersion | undefined;
    let failure: unknown;
    try {
      server = withBuildTimes(await engine.call("SystemVersion", {}));
    } catch (error) {
      failure = error;
    }
    const client = clientVersion(contextName, env, server?.ApiVersion ?? undefined);
    if (flags.format === undefined || flags.format === "") stdout.write(layout(client, server));
    else if (flags.format === "json") stdout.write(`${goJson({ Client: client, Server: server ?? null })}\n`);
    else stdout.write(`${expandObject(flags.format, typed(client, server), "version")}\n`);
    // The client's half is shown all the same, as docker does.
    if (failure !== undefined)
      throw failure instanceof ApiError ? failure : new ExitError(1, failureText(failure, engine.host));
  },
});

/** What templates see; docker's Go names, and the wire's beside them. */
function typed(client: ClientVersion, server: SystemVersion | undefined): GoStruct {
  const serverStruct =
    server === undefined
      ? new GoNil("*types.Version")
      : openStruct("*types.Version", { ...server, APIVersion: server.ApiVersion }, server);
  return openStruct("system.versionInfo", {
    Client: openStruct("system.clientVersion", { ...client, APIVersion: client.ApiVersion }, client),
    Server: serverStruct,
  });
}

/** docker shows the build times of the components in C's form. */
function withBuildTimes(server: SystemVersion): SystemVersion {
  const components = (server.Components ?? []).map((component) => {
    const time = component.Details?.["BuildTime"];
    return typeof time === "string"
      ? { ...component, Details: { ...component.Details, BuildTime: ansiTime(time) } }
      : component;
  });
  return { ...server, Components: components };
}

function layout(client: ClientVersion, server: SystemVersion | undefined): string {
  const { ApiVersion, DefaultAPIVersion } = client;
  const lines = [
    "Client:",
    ` Version:\t${client.Version}`,
    ` API version:\t${ApiVersion}${ApiVersion === DefaultAPIVersion ? "" : ` (downgraded from ${DefaultAPIVersion})`}`,
    ` Bun version:\t${Bun.version}`,
    ` Git commit:\t${client.GitCommit}`,
    ` Built:\t${ansiTime(client.BuildTime)}`,
    ` OS/Arch:\t${client.Os}/${client.Arch}`,
    ` Context:\t${client.Context}`,
  ];
  if (server !== undefined)
    lines.push(
      "",
      `Server:${server.Platform?.Name ? ` ${server.Platform.Name}` : ""}`,
      ...(server.Components ?? []).flatMap(component),
    );
  return `${alignTabs(lines.join("\n"), { minWidth: 20, padding: 1 })}\n`;
}

function component({ Name, Version, Details }: NonNullable<SystemVersion["Components"]>[number]): string[] {
  const details: GoMap = Details ?? {};
  const text = (key: string): string => String(details[key] ?? "");
  const rows =
    Name === "Engine"
      ? [
          `API version:\t${text("ApiVersion")} (minimum version ${text("MinAPIVersion")})`,
          `Go version:\t${text("GoVersion")}`,
          `Git commit:\t${text("GitCommit")}`,
          `Built:\t${text("BuildTime")}`,
          `OS/Arch:\t${text("Os")}/${text("Arch")}`,
          `Experimental:\t${text("Experimental")}`,
        ]
      : Object.keys(details)
          .sort()
          .map((key) => `${key}:\t${text(key)}`);
  return [` ${Name}:`, ...[`Version:\t${Version}`, ...rows].map((row) => `  ${row}`)];
}
