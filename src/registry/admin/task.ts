import type { Exchange } from "../http/exchange.ts";
import type { Body } from "./body.ts";

/** What an operation of administration gets. */
export interface Task {
  readonly exchange: Exchange;
  readonly body: Body;
  /** The last part of the path, where the operation has one. */
  readonly name: string;
}
