import { EngineError, type ErrorKind } from "../../base/errors.ts";
import { json } from "../http/answer.ts";
import { checkBlobs } from "../gc/check.ts";
import type { Exchange } from "../http/exchange.ts";
import { Refusal } from "../refusal.ts";
import { Body } from "./body.ts";
import type { Task } from "./task.ts";
import { listRepositories } from "./repositories.ts";
import {
  changePassword,
  createRobotAccount,
  createUser,
  deleteRobot,
  deleteUser,
  listAccounts,
  listRobotAccounts,
  updateUser,
} from "./accounts.ts";
import {
  addImmutable,
  addRetention,
  listPolicies,
  removeQuota,
  removeRuleById,
  runRetention,
  setQuota,
} from "./policies.ts";

/** Gives what is answered as JSON; undefined is an empty object. */
type Operation = (task: Task) => unknown;

/** Operations below /berth/v1 by method and path; `*` is a name. */
const operations: Readonly<Record<string, Operation>> = {
  "GET users": listAccounts,
  "POST users": createUser,
  "PATCH users/*": updateUser,
  "DELETE users/*": deleteUser,
  "PUT passwords/*": changePassword,
  "GET robots": listRobotAccounts,
  "POST robots": createRobotAccount,
  "DELETE robots/*": deleteRobot,
  "GET repositories": listRepositories,
  "GET quotas": ({ exchange }) => exchange.services.quotas.list(),
  "PUT quotas": setQuota,
  "DELETE quotas": removeQuota,
  "GET policies": listPolicies,
  "POST immutable-tags": addImmutable,
  "DELETE immutable-tags/*": removeRuleById("immutable"),
  "POST retention-rules": addRetention,
  "DELETE retention-rules/*": removeRuleById("retention"),
  "POST retention": runRetention,
  "GET collection": ({ exchange }) => exchange.services.collector.status,
  "POST collection": ({ exchange, body }) =>
    exchange.services.collector.run({
      dryRun: body.toggle("dryRun"),
      ...(body.has("untagged") && { untagged: body.toggle("untagged") }),
    }),
  "POST check": ({ exchange, body }) =>
    checkBlobs(exchange.services.core, { repair: body.toggle("repair"), digests: body.toggle("digests") }),
  "GET webhooks": ({ exchange }) => exchange.services.webhooks.status(),
};
/** The only one that everybody may use who logged in. */
const forEveryone = "PUT passwords/*";

/** Answers a request of administration. Throws UNAUTHORIZED, DENIED. */
export async function administer(exchange: Exchange, path: readonly string[]): Promise<Response> {
  const { request, caller, services } = exchange;
  const [first = "", name = ""] = path;
  const key = `${request.method} ${first}${path.length > 1 ? "/*" : ""}`;
  const operation = path.length <= 2 && Object.hasOwn(operations, key) ? operations[key] : undefined;
  const mayUse = caller.admin || (key === forEveryone && caller.kind === "user" && caller.name === name);
  if (!mayUse) throw services.access.refuse(request, caller, []);
  if (operation === undefined) throw new Refusal("UNSUPPORTED", "there is no such operation", { status: 404 });
  try {
    const body = await Body.of(request);
    exchange.patient(); // a collection
    const result = await operation({ exchange, body, name });
    if (request.method !== "GET")
      services.core.tell({
        action: "admin",
        caller,
        note: `${request.method} ${path.join("/")}${exchange.query.size > 0 ? `?${exchange.query}` : ""}${body.summary}`,
      });
    return json(result ?? {}, { "Cache-Control": "no-store" });
  } catch (error) {
    if (error instanceof Refusal || !(error instanceof EngineError)) throw error;
    const known = answers[error.kind];
    if (known === undefined) throw error;
    throw new Refusal(known[0], error.message, { status: known[1] });
  }
}

const answers: Partial<Record<ErrorKind, readonly [ConstructorParameters<typeof Refusal>[0], number]>> = {
  invalid: ["UNSUPPORTED", 400],
  "not-found": ["NAME_UNKNOWN", 404],
  conflict: ["DENIED", 409],
  forbidden: ["DENIED", 403],
};
