import { nowNs } from "../../base/clock.ts";
import { EngineError } from "../../base/errors.ts";
import type { Container } from "../../containers/container.ts";
import type { Caller } from "../../spec/caller.ts";
import type { ApiDeps } from "../deps.ts";
import { parseDetachKeys } from "../hijack/detach-keys.ts";
import { hijackReply } from "../hijack/hijack.ts";
import { websocketReply } from "../hijack/websocket.ts";
import { Reply, type RouteContext, type Routes, shaped } from "../route.ts";
import { frameRecords } from "../streams/log-frames.ts";
import { statsReply } from "../streams/stats-stream.ts";
import { readTimestamp } from "../timestamp.ts";
import { execJson } from "../views/exec-json.ts";

/** Streams of containers and execs: attach, logs, stats, exec. */
export const containerStreamRoutes = {
  ContainerAttach: {
    can: "container:attach",
    handle(context) {
      const { deps, params, minor } = context;
      let container: Container;
      let detachKeys: Uint8Array | undefined;
      try {
        container = deps.containers.get(params.id);
        detachKeys = keysFor(container, context.query);
      } catch (error) {
        return hijackReply({
          tty: true,
          minor,
          baseHeaders: false,
          detachKeys: undefined,
          onDetach: () => {},
          gone: deps.peer.gone,
          errors: "text",
          open: () => Promise.reject(error),
        });
      }
      return hijackReply({
        tty: container.plan.process.tty,
        minor,
        baseHeaders: false,
        detachKeys,
        onDetach: () => publish(deps, container, "detach", context.caller),
        gone: deps.peer.gone,
        errors: "text",
        open: (signal) => deps.containers.attach(params.id, attachOptions(context, signal)),
      });
    },
  },

  ContainerAttachWebsocket: {
    can: "container:attach",
    async handle(context) {
      const container = context.deps.containers.get(context.params.id);
      keysFor(container, context.query);
      return websocketReply((signal) =>
        context.deps.containers.attach(context.params.id, attachOptions(context, signal)),
      );
    },
  },

  ContainerLogs: {
    can: "container:logs",
    async handle({ deps, params, query, search, minor, signal }) {
      const stdout = query.stdout ?? false;
      const stderr = query.stderr ?? false;
      if (!stdout && !stderr) throw new EngineError("invalid", "Bad parameters: you must choose at least one stream");
      const now = nowNs();
      const sinceNs = readTimestamp("since", search.get("since"), now);
      const untilNs = readTimestamp("until", search.get("until"), now);
      const container = deps.containers.get(params.id);
      const tail = /^\d+$/.test(query.tail ?? "") ? Number(query.tail) : "all";
      const opened = Promise.withResolvers<void>();
      const batches = deps.containers.logs(params.id, {
        stdout,
        stderr,
        sinceNs,
        untilNs,
        tail,
        follow: query.follow ?? false,
        opened: opened.resolve,
        signal,
      });
      const { tty } = container.plan.process;
      const options = {
        tty,
        timestamps: query.timestamps ?? false,
        details: search.get("details") === "1" || search.get("details") === "true",
      };
      const type =
        minor >= 42 && !tty ? "application/vnd.docker.multiplexed-stream" : "application/vnd.docker.raw-stream";
      return new Reply(async (exchange) => {
        const iterator = batches[Symbol.asyncIterator]();
        // A driver that cannot be read says so at the first step: that is still an error with a status of its own.
        let step = iterator.next();
        // And a client that has the head may remove the container at once (docker-py's run does), log and all.
        const early = await Promise.race([step.then(() => true), opened.promise.then(() => false), aSecond()]);
        if (early) step = Promise.resolve(await step);
        exchange.begin(200, { "Content-Type": type });
        for (let result = await step; result.done !== true; result = await iterator.next()) {
          const wrote = exchange.write(frameRecords(result.value, options));
          if (!(wrote === true || (await wrote))) {
            await iterator.return?.();
            break;
          }
        }
        exchange.end();
      });
    },
  },

  ContainerStats: {
    can: "container:read",
    handle({ deps, params, query, signal, search }) {
      const container = deps.containers.get(params.id);
      const stream = search.has("stream") ? (query.stream ?? false) : true;
      return statsReply({
        container,
        stats: () => deps.containers.stats(container.id),
        memoryBytes: deps.system.memoryBytes,
        stream,
        oneShot: query["one-shot"] ?? false,
        signal,
      });
    },
  },

  ContainerResize: {
    can: "container:attach",
    async handle({ deps, params, query }) {
      await deps.containers.resize(params.id, terminalSize(query));
      return new Reply((exchange) => exchange.send(200, {}));
    },
  },

  ContainerExec: {
    can: "container:exec",
    async handle({ deps, params, body, caller }) {
      const args = body.Cmd ?? [];
      if (args.length === 0) throw new EngineError("invalid", "no exec command specified");
      const [rows, columns] = body.ConsoleSize ?? [];
      const id = await deps.containers.execCreate(
        params.id,
        {
          args,
          env: body.Env ?? [],
          user: body.User ?? "",
          workingDir: body.WorkingDir ?? "",
          tty: body.Tty ?? false,
          privileged: body.Privileged ?? false,
          attachStdin: body.AttachStdin ?? false,
          attachStdout: body.AttachStdout ?? false,
          attachStderr: body.AttachStderr ?? false,
          detachKeys: body.DetachKeys ?? "",
          ...(rows !== undefined && columns !== undefined && { size: { rows, columns } }),
        },
        { caller },
      );
      return { Id: id };
    },
  },

  ExecStart: {
    can: "container:exec",
    async handle({ deps, params, body, caller, minor }) {
      const exec = deps.containers.exec(params.id);
      const container = deps.containers.get(exec.containerId);
      const [rows, columns] = body.ConsoleSize ?? [];
      const tty = body.Tty ?? exec.request.tty;
      const common = {
        caller,
        tty,
        ...(rows !== undefined && columns !== undefined && (rows > 0 || columns > 0) && { size: { rows, columns } }),
      };
      if (body.Detach === true) {
        await deps.containers.execStart(params.id, { ...common, detach: true });
        return new Reply((exchange) => exchange.send(200, {}));
      }
      return hijackReply({
        tty: exec.request.tty,
        minor,
        baseHeaders: true,
        detachKeys: exec.request.tty && exec.request.attachStdin ? parseDetachKeys(exec.request.detachKeys) : undefined,
        onDetach: () => publish(deps, container, "exec_detach", caller, { execID: exec.id }),
        gone: deps.peer.gone,
        errors: "json", // one that ran already says so in its stream, made by execStart
        open: async (signal) => {
          const stream = await deps.containers.execStart(params.id, { ...common, signal, detach: false });
          if (!stream) throw new EngineError("internal", `exec ${params.id} gave no stream`);
          return stream;
        },
      });
    },
  },

  ExecResize: {
    can: "container:exec",
    async handle({ deps, params, query }) {
      await deps.containers.execResize(params.id, terminalSize(query));
      return new Reply((exchange) => exchange.send(200, {}));
    },
  },

  ExecInspect: {
    can: "container:read",
    handle: ({ deps, params }) => shaped(execJson(deps.containers.exec(params.id))),
  },
} satisfies Partial<Routes>;

type AttachQuery = RouteContext<"ContainerAttach">["query"];

function attachOptions({ query, caller }: { query: AttachQuery; caller: Caller }, signal: AbortSignal) {
  return {
    caller,
    signal,
    stdin: query.stdin ?? false,
    stdout: query.stdout ?? false,
    stderr: query.stderr ?? false,
    logs: query.logs ?? false,
    stream: query.stream ?? false,
    detachKeys: query.detachKeys ?? "",
  };
}

/** The keys to look for; a bad value is refused even where none are. */
function keysFor(container: Container, query: AttachQuery): Uint8Array | undefined {
  const keys = parseDetachKeys(query.detachKeys ?? "");
  return container.plan.process.tty && query.stdin === true ? keys : undefined;
}

function publish(
  deps: ApiDeps,
  container: Container,
  action: string,
  caller: Caller,
  more: Record<string, string> = {},
): void {
  deps.events.publish({
    type: "container",
    action,
    id: container.id,
    attributes: { ...container.plan.labels, ...more, image: container.imageReference, name: container.name },
    caller,
  });
}

/** Both are needed, as 16-bit numbers: struct winsize has no more. */
function terminalSize(query: { h?: number | undefined; w?: number | undefined }): { rows: number; columns: number } {
  const side = (name: string, value: number | undefined): number => {
    if (value === undefined) throw new EngineError("invalid", `invalid resize ${name} "": invalid syntax`);
    if (!Number.isInteger(value) || value < 0 || value > 65_535)
      throw new EngineError("invalid", `invalid resize ${name} "${value}": value out of range`);
    return value;
  };
  return { rows: side("height", query.h), columns: side("width", query.w) };
}

/** A log that takes longer to open (its tail is looked for in gigabytes) does not hold the head back. */
const aSecond = (): Promise<false> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(false), 1000).unref();
  });
