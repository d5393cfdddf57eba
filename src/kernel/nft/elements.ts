import { SyscallError } from "../call.ts";
import { attributes, type NetlinkSocket } from "../netlink/netlink-socket.ts";
import { nftFamilies, nftHeader as header, nftMessage as nft, nftTransaction } from "./batch.ts";
import { NetlinkWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP } from "../netlink/writer.ts";

// linux/netfilter/nf_tables.h
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_GETCHAIN = 4;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_DELSETELEM = 14;
const NFT_MSG_GETGEN = 16;
const NFPROTO_INET = nftFamilies.inet;

const NFTA_SET_ELEM_LIST = { table: 1, set: 2, elements: 3 };
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM = { key: 1, data: 2, timeout: 4, keyEnd: 10 };
const NFTA_DATA_VALUE = 1;

/** One element of a map or set: as the kernel lays it out, each part of a concatenation padded to four bytes. */
export interface MapElement {
  readonly map: string;
  readonly key: Uint8Array;
  /** Of a set whose elements are ranges: the last of this one. */
  readonly keyEnd?: Uint8Array;
  /** Only maps have it. */
  readonly data?: Uint8Array;
  /** Only where the set's elements time out. */
  readonly timeoutMs?: number;
}

/** Joins the parts of a concatenated key or value. */
export function concatenated(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + ((part.length + 3) & ~3), 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += (part.length + 3) & ~3;
  }
  return bytes;
}

/**
 * Adds and deletes elements in one transaction: all or none. EEXIST: an element with the same key and other data is
 * there; ENOENT: the table, the map or an element to delete is not. Adding what is there already is no error.
 */
export function changeElements(
  socket: NetlinkSocket,
  table: string,
  changes: { add: readonly MapElement[]; remove: readonly MapElement[] },
): void {
  nftTransaction(socket, (writer) => {
    for (const element of changes.remove) writeElement(writer, table, element, "remove");
    for (const element of changes.add) writeElement(writer, table, element, "add");
    return changes.remove.length + changes.add.length;
  });
}

function writeElement(writer: NetlinkWriter, table: string, element: MapElement, action: "add" | "remove"): void {
  const flags = action === "add" ? NLM_F_ACK | NLM_F_CREATE : NLM_F_ACK;
  const type = nft(action === "add" ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
  const value = (attribute: number, bytes: Uint8Array): unknown =>
    writer.nest(attribute, () => writer.attribute(NFTA_DATA_VALUE, bytes));
  writer.message(`nft ${action} element of ${element.map}`, type, flags, () => {
    header(writer, NFPROTO_INET);
    writer.attribute(NFTA_SET_ELEM_LIST.table, table).attribute(NFTA_SET_ELEM_LIST.set, element.map);
    writer.nest(NFTA_SET_ELEM_LIST.elements, () =>
      writer.nest(NFTA_LIST_ELEM, () => {
        value(NFTA_SET_ELEM.key, element.key);
        if (element.keyEnd !== undefined) value(NFTA_SET_ELEM.keyEnd, element.keyEnd);
        if (action === "remove") return;
        if (element.data !== undefined) value(NFTA_SET_ELEM.data, element.data);
        if (element.timeoutMs !== undefined) writer.attribute(NFTA_SET_ELEM.timeout, be64(element.timeoutMs));
      }),
    );
  });
}

function be64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** The number of the ruleset's last change, by whatever program. */
export function rulesetGeneration(socket: NetlinkSocket): number {
  const writer = new NetlinkWriter();
  writer.message("nft get generation", nft(NFT_MSG_GETGEN), NLM_F_ACK, () => header(writer, 0));
  const [answer] = socket.query(writer);
  return answer === undefined ? 0 : (attributes(answer.payload, 4).get(1)?.readUInt32BE(0) ?? 0);
}

/** A table as it is: its handle and number of rules as one text, and how many elements its sets and maps have. */
export interface TableState {
  readonly shape: string;
  readonly elements: ReadonlyMap<string, number>;
}

/** Undefined = no such table, or one of the sets is not there. */
export function tableState(socket: NetlinkSocket, table: string, sets: readonly string[]): TableState | undefined {
  try {
    const handle = countMessages(socket, NFT_MSG_GETTABLE, table, NLM_F_ACK);
    const rules = countMessages(socket, NFT_MSG_GETRULE, table, NLM_F_DUMP);
    return {
      shape: `${handle} ${rules}`,
      elements: new Map(sets.map((set) => [set, countElements(socket, table, set)])),
    };
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * How a chain of another program looks as far as it concerns us: a text that changes when its hook's policy changes,
 * when the chain comes or goes, or when the number of its rules that contain the mark does.
 */
export function foreignChainState(
  socket: NetlinkSocket,
  at: { family: number; table: string; base: string; chain: string; mark: string },
): string {
  const base = new NetlinkWriter();
  base.message("nft get chain", nft(NFT_MSG_GETCHAIN), NLM_F_ACK, () => {
    header(base, at.family);
    base.attribute(1 /* NFTA_CHAIN_TABLE */, at.table).attribute(3 /* NFTA_CHAIN_NAME */, at.base);
  });
  const rules = new NetlinkWriter();
  rules.message("nft get rules", nft(NFT_MSG_GETRULE), NLM_F_DUMP, () => {
    header(rules, at.family);
    rules.attribute(1 /* NFTA_RULE_TABLE */, at.table).attribute(2 /* NFTA_RULE_CHAIN */, at.chain);
  });
  try {
    const [chain] = socket.query(base);
    const policy =
      chain === undefined ? "" : attributes(chain.payload, 4).get(5 /* NFTA_CHAIN_POLICY */)?.toString("hex");
    const found = socket.query(rules);
    return `${policy} ${found.length > 0} ${found.filter(({ payload }) => payload.includes(at.mark)).length}`;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") return "";
    throw error;
  }
}

/** For a table: its handle and use count; for rules: how many. */
function countMessages(socket: NetlinkSocket, message: number, table: string, flags: number): string {
  const writer = new NetlinkWriter();
  writer.message("nft get", nft(message), flags, () => {
    header(writer, NFPROTO_INET);
    writer.attribute(1 /* NFTA_TABLE_NAME, NFTA_RULE_TABLE */, table);
  });
  const messages = socket.query(writer);
  const [first] = messages;
  if (message !== NFT_MSG_GETTABLE || first === undefined) return String(messages.length);
  const found = attributes(first.payload, 4);
  return `${found.get(4 /* NFTA_TABLE_HANDLE */)?.toString("hex")}/${found.get(3 /* NFTA_TABLE_USE */)?.toString("hex")}`;
}

function countElements(socket: NetlinkSocket, table: string, map: string): number {
  const writer = new NetlinkWriter();
  writer.message("nft get elements", nft(NFT_MSG_GETSETELEM), NLM_F_DUMP, () => {
    header(writer, NFPROTO_INET);
    writer.attribute(NFTA_SET_ELEM_LIST.table, table).attribute(NFTA_SET_ELEM_LIST.set, map);
  });
  let count = 0;
  for (const { payload } of socket.query(writer)) {
    const list = attributes(payload, 4).get(NFTA_SET_ELEM_LIST.elements);
    for (let at = 0; list !== undefined && at + 4 <= list.length; at += (list.readUInt16LE(at) + 3) & ~3) count += 1;
  }
  return count;
}
