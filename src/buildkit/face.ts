import type { Socket } from "node:net";
import type { Caller } from "../spec/caller.ts";
import { Control } from "../spec/buildkit/control.gen.ts";
import { LLBBridge } from "../spec/buildkit/gateway.gen.ts";
import { bridgeService } from "./bridge.ts";
import type { BuildSide, Solution } from "./build-side.ts";
import { Connections } from "./connections.ts";
import { controlService } from "./control.ts";
import { Jobs } from "./jobs.ts";
import type { SessionHead } from "./session/session.ts";
import type { Sessions } from "./session/sessions.ts";

/** BuildKit's interface, as stock buildx, `docker build` and bake speak it to a daemon. */
export class Buildkit implements Disposable {
  readonly #sessions: Sessions;
  readonly #connections: Connections;

  constructor(options: { sessions: Sessions; builds: BuildSide }) {
    const jobs = new Jobs<Solution>();
    const { sessions, builds } = options;
    this.#sessions = sessions;
    this.#connections = new Connections((router) =>
      router
        .service(Control, controlService({ jobs, sessions, builds }))
        .service(LLBBridge, bridgeService({ jobs, builds })),
    );
  }

  /** The client calls services of this daemon. */
  serve(socket: Socket, caller: Caller): void {
    this.#connections.serve(socket, caller);
  }

  /** The daemon calls services of the client. Throws `conflict` for an id that is open, before `take` is called. */
  addSession(session: SessionHead, take: () => Socket): void {
    this.#sessions.open(session, take);
  }

  [Symbol.dispose](): void {
    this.#sessions.close();
    this.#connections[Symbol.dispose]();
  }
}
