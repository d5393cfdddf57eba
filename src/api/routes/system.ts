import { nowNs } from "../../base/clock.ts";
import { EngineError } from "../../base/errors.ts";
import { eventFilterKeys, eventPasses } from "../event-filters.ts";
import { readFilters } from "../filters.ts";
import { Reply, type Routes, shaped } from "../route.ts";
import { credentialsOf } from "../registry-auth.ts";
import { eventsReply } from "../streams/events-stream.ts";
import { readTimestamp } from "../timestamp.ts";
import { diskUsageJson, diskUsageTypes } from "../views/disk-usage-json.ts";
import { infoJson } from "../views/info-json.ts";
import { loginFailure } from "../views/registry-error.ts";
import { versionJson } from "../views/version-json.ts";

const pingHeaders = {
  "Content-Type": "text/plain; charset=utf-8",
  "Cache-Control": "no-cache, no-store, must-revalidate",
  Pragma: "no-cache",
  "Builder-Version": "1",
  Swarm: "inactive",
};

export const systemRoutes = {
  SystemPing: { can: "system:ping", handle: () => new Reply((exchange) => exchange.send(200, pingHeaders, "OK")) },
  SystemPingHead: { can: "system:ping", handle: () => new Reply((exchange) => exchange.send(200, pingHeaders)) },

  SystemVersion: { can: "system:read", handle: ({ deps }) => shaped(versionJson(deps.system)) },
  SystemInfo: { can: "system:read", handle: ({ deps }) => shaped(infoJson(deps)) },

  SystemAuth: {
    can: "system:login",
    async handle({ deps, body, signal }) {
      const { status, identityToken } = await deps.registries
        .login(body.serveraddress ?? "", credentialsOf({ ...body }), { signal })
        .catch(loginFailure);
      return shaped({ Status: status, IdentityToken: identityToken });
    },
  },

  SystemEvents: {
    can: "system:events",
    handle({ deps, query, signal, exchange }) {
      const filters = readFilters(query.filters, eventFilterKeys);
      const now = nowNs();
      const sinceNs = readTimestamp("since", query.since, now);
      const untilNs = readTimestamp("until", query.until, now);
      if (sinceNs > 0n && untilNs > 0n && sinceNs > untilNs)
        throw new EngineError("invalid", "`since` time cannot be after `until` time");
      return eventsReply({
        events: deps.events,
        passes: (event) => eventPasses(filters, event),
        // any since, even 0, or a lone until asks for what was (engine-api.md 1.9)
        replay: (query.since ?? "") !== "" || untilNs > 0n,
        sinceNs,
        untilNs,
        accept: exchange.head.headers.get("accept"),
        signal,
      });
    },
  },

  SystemDataUsage: {
    can: "system:read",
    async handle({ deps, query }) {
      const types = query.type ?? [];
      const unknown = types.find((type) => !diskUsageTypes.includes(type));
      if (unknown !== undefined) throw new EngineError("invalid", `unknown object type: ${unknown}`);
      return shaped(await diskUsageJson(deps, new Set(types.length > 0 ? types : diskUsageTypes)));
    },
  },
} satisfies Partial<Routes>;
