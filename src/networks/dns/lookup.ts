import { type AnswerRecord, encodeName, writeAnswer, writeFailure } from "./answer.ts";
import { type Names, reverseAddress } from "./names.ts";
import { type Query, rcodes, readQuery, recordTypes } from "./query.ts";

/**
 * Containers come and go, and programs that keep an address for as long as they are told would go on with a dead one.
 * Asking again costs them some 50 microseconds.
 */
export const localTtlSeconds = 5;
const internetClass = 1;

export type Outcome =
  | { readonly kind: "answer"; readonly packet: Uint8Array }
  /** None of our names: others must be asked. */
  | { readonly kind: "forward"; readonly query: Query }
  | { readonly kind: "ignore" };

/** What one container's packet leads to. Answers of our own are made at once; nothing here waits. */
export function lookUp(names: Names, boxId: string, packet: Uint8Array, limit: "udp" | number): Outcome {
  const query = readQuery(packet);
  if ("rcode" in query) {
    return query.rcode === undefined
      ? { kind: "ignore" }
      : { kind: "answer", packet: writeFailure(packet, query.rcode) };
  }
  const limitBytes = limit === "udp" ? query.udpBytes : limit;
  const answer = (rcode: number, records: readonly AnswerRecord[]): Outcome => ({
    kind: "answer",
    packet: writeAnswer(query, { rcode, records, authoritative: true, limitBytes }),
  });
  if (query.class !== internetClass) return { kind: "forward", query };
  const found = names.resolve(boxId, query.name);
  if (found !== undefined) {
    const { a, aaaa, any } = recordTypes;
    const records: AnswerRecord[] = [];
    const add = (type: number, all: readonly Uint8Array[]): void => {
      if (query.type !== type && query.type !== any) return;
      for (const data of all) records.push({ type, ttlSeconds: localTtlSeconds, data });
    };
    add(a, found.ipv4);
    add(aaaa, found.ipv6);
    return answer(rcodes.ok, records); // the name is ours: without such records it still is
  }
  const address = query.name.endsWith(".arpa") ? reverseAddress(query.name) : undefined;
  const name = address === undefined ? undefined : names.reverse(boxId, address);
  if (name === undefined) return { kind: "forward", query };
  if (name === "") return answer(rcodes.nameError, []);
  const data = encodeName(name);
  const asked = query.type === recordTypes.ptr || query.type === recordTypes.any;
  if (!asked || data === undefined) return answer(rcodes.ok, []);
  return answer(rcodes.ok, [{ type: recordTypes.ptr, ttlSeconds: localTtlSeconds, data }]);
}

/** "We cannot tell": for what must not or cannot be asked outside. */
export const failed = (query: Query): Uint8Array =>
  writeAnswer(query, { rcode: rcodes.serverFailure, records: [], authoritative: false, limitBytes: 512 });
