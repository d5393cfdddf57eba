import { EngineError } from "../../base/errors.ts";
import type { Exchange } from "../http/exchange.ts";
import { Reply, type Routes } from "../route.ts";

/** Connections of buildx: HTTP/2 without TLS after an upgrade, in the direction that the operation says. */
export const buildkitRoutes = {
  Grpc: {
    can: "image:build",
    async handle({ deps, caller }) {
      const face = await deps.buildkit();
      return new Reply((exchange) => face.serve(exchange.takeSocket(upgradeHead(exchange)), caller));
    },
  },

  Session: {
    can: "image:build",
    async handle({ deps, caller }) {
      const face = await deps.buildkit();
      return new Reply((exchange) => {
        const head = upgradeHead(exchange);
        const { headers } = exchange.head;
        const given = (name: string): string => headers.get(`x-docker-expose-session-${name}`) ?? "";
        if (given("uuid") === "")
          throw new EngineError("invalid", "a session needs an id: X-Docker-Expose-Session-Uuid");
        const session = {
          id: given("uuid"),
          name: given("name"),
          sharedKey: given("sharedkey"),
          methods: given("grpc-method").split(/, */).filter(Boolean),
          caller,
        };
        face.addSession(session, () => exchange.takeSocket(head));
      });
    },
  },
} satisfies Partial<Routes>;

/** The head of the answer, for a client that asked for the upgrade. Throws `invalid` for one that did not. */
function upgradeHead(exchange: Exchange): string {
  const upgrade = exchange.head.headers.get("upgrade")?.toLowerCase();
  if (upgrade === undefined) throw new EngineError("invalid", "no upgrade proto in request"); // moby parity
  if (upgrade !== "h2c") throw new EngineError("invalid", `protocol ${upgrade} not supported`);
  return "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
}
