import type { SystemInfo } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";
import { objectFormat } from "../render/format-flag.ts";
import { goJson } from "../render/go-value.ts";
import { expandObject } from "../render/object-format.ts";
import { clientVersion } from "./client-version.ts";
import { infoLines } from "./info-lines.ts";
import { openStruct } from "./open-struct.ts";

export const info = command({
  path: "system info",
  aliases: ["info"],
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Display system-wide information",
  flags: { format: objectFormat },
  async run({ flags, engine, stdout, stderr, env, contextName }) {
    const ClientInfo = {
      Debug: false,
      ...clientVersion(contextName, env),
      Plugins: [],
      Warnings: null,
    };
    const formatted = flags.format !== undefined && flags.format !== "";
    let server: SystemInfo | undefined;
    let failure: unknown;
    try {
      server = await engine.call("SystemInfo", {});
    } catch (error) {
      failure = error;
    }
    if (formatted) {
      // A template of the client's half alone needs no server.
      if (server === undefined && flags.format !== "json" && !/\.(ClientInfo|ServerErrors)\b/.test(flags.format ?? ""))
        throw new ExitError(1, failureText(failure, engine.host));
      // Known fields that are absent are there for templates, unknown ones are errors.
      const fields = {
        ...Object.fromEntries(optional.map((name) => [name, ""])),
        ...server,
        HTTPProxy: server?.HttpProxy ?? "",
        HTTPSProxy: server?.HttpsProxy ?? "",
        CPUCfsPeriod: server?.CpuCfsPeriod,
        CPUCfsQuota: server?.CpuCfsQuota,
        ClientInfo,
      };
      const json = {
        ...server,
        ...(failure === undefined ? {} : { ServerErrors: [failureText(failure, engine.host)] }),
        ClientInfo,
      };
      stdout.write(
        `${flags.format === "json" ? goJson(json) : expandObject(flags.format ?? "", openStruct("system.dockerInfo", fields, json))}\n`,
      );
      if (failure !== undefined) throw new ExitError(1, failureText(failure, engine.host));
      return;
    }
    stdout.write(
      `Client:\n Version:    ${ClientInfo.Version}\n Context:    ${ClientInfo.Context}\n Debug Mode: false\n\nServer:\n`,
    );
    if (server === undefined) throw new ExitError(1, failureText(failure, engine.host));
    stdout.write(`${infoLines(server).join("\n")}\n\n`);
    for (const warning of server.Warnings ?? []) stderr.write(`${warning}\n`);
  },
});

const optional = [
  "HttpProxy",
  "HttpsProxy",
  "NoProxy",
  "ProductLicense",
  "Isolation",
  "CDISpecDirs",
  "FirewallBackend",
  "DefaultAddressPools",
  "Containerd",
  "GenericResources",
  "Warnings",
  "ServerErrors",
];
