import { EngineError } from "../../base/errors.ts";
import type { ContainerState, Status } from "../container.ts";

/** Which status may follow which. This file is the only one that writes `status`. */
const moves: Record<Status, readonly Status[]> = {
  created: ["running", "removing", "dead"],
  running: ["paused", "exited", "restarting", "removing"],
  paused: ["running", "exited", "restarting", "removing"],
  restarting: ["running", "exited", "removing", "restarting"],
  exited: ["running", "restarting", "removing", "dead"],
  removing: ["dead"],
  dead: ["removing"],
};

/** The state of a container that was just made. */
export const initialState: ContainerState = {
  status: "created",
  starting: false,
  pid: 0,
  pidIdentity: "",
  run: 0,
  startedAtNs: 0n,
  finishedAtNs: 0n,
  exitCode: 0,
  oomKilled: false,
  error: "",
  restartCount: 0,
  stoppedByUser: false,
  hasRun: false,
  sandbox: null,
  health: null,
};

/** Moves a state; throws `internal` on a move that the table does not allow, which is a bug. */
export function move(
  state: ContainerState,
  status: Status,
  change: Partial<Omit<ContainerState, "status">> = {},
): ContainerState {
  if (!moves[state.status].includes(status)) {
    throw new EngineError("internal", `a container that is ${state.status} cannot become ${status}`);
  }
  return { ...state, ...change, status };
}

/** Whether a process of the container may be alive. */
export const isLive = (state: ContainerState): boolean => state.status === "running" || state.status === "paused";

/** What Docker shows as Running: a container between two runs of its restart policy counts too. */
export const isRunning = (state: ContainerState): boolean => isLive(state) || state.status === "restarting";
