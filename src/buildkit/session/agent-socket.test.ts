import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import net from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { SSH } from "../../spec/buildkit/session-ssh.gen.ts";
import { openAgentSocket } from "./agent-socket.ts";
import { sessionPair } from "../fixtures/session-pair.ts";

const methods = ["/moby.sshforward.v1.SSH/CheckAgent", "/moby.sshforward.v1.SSH/ForwardAgent"];

test("what a step says to its agent's socket reaches the client, and the answers come back", async () => {
  const parent = mkdtempSync("/tmp/berth-agent-");
  const asked: (string | null)[] = [];
  await using pair = await sessionPair(
    (router) =>
      router.service(SSH, {
        checkAgent: ({ ID }) => {
          if (ID !== "default") throw new ConnectError("unset ssh forward key", Code.Unknown);
          return {};
        },
        async *forwardAgent(messages, context) {
          asked.push(context.requestHeader.get("buildkit.ssh.id"));
          for await (const { data } of messages) yield { data: data.map((byte) => byte + 1) };
        },
      }),
    { methods },
  );
  const signal = AbortSignal.timeout(10_000);
  expect(await openAgentSocket(pair.session, "other", { parent, signal })).toBeUndefined();
  {
    await using agent = await openAgentSocket(pair.session, "default", { parent, signal });
    const talk = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let answer = "";
        const socket = net.connect(agent?.path ?? "", () => socket.write(text));
        socket.on("data", (piece) => {
          answer += piece.toString();
          if (answer.length === text.length) socket.end();
        });
        socket.on("error", reject).on("close", () => resolve(answer));
      });
    expect(await Promise.all([talk("abc"), talk("x".repeat(200_000))])).toEqual(["bcd", "y".repeat(200_000)]);
    expect(asked).toEqual(["default", "default"]);
    expect(existsSync(agent?.path ?? "")).toBe(true);
  }
  expect(readdirSync(parent)).toEqual([]);
  rmSync(parent, { recursive: true });
});
