import { SyscallError } from "../call.ts";
import { attributes, type NetlinkSocket } from "../netlink/netlink-socket.ts";
import { NetlinkWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP } from "../netlink/writer.ts";

// linux/netfilter/nfnetlink.h, nf_tables.h
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const nft = (message: number): number => (NFNL_SUBSYS_NFTABLES << 8) | message;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_GETCHAIN = 4;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_DELSETELEM = 14;
const NFT_MSG_GETGEN = 16;
export const NFPROTO_INET = 1;

const NFTA_SET_ELEM_LIST = { table: 1, set: 2, elements: 3 };
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM = { key: 1, data: 2 };
const NFTA_DATA_VALUE = 1;

/** One element of a map: key and data as the kernel lays them out, each part of a concatenation padded to four bytes. */
export interface MapElement {
  readonly map: string;
  readonly key: Uint8Array;
  readonly data: Uint8Array;
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

function header(writer: NetlinkWriter, family: number, resource: number): void {
  writer
    .u8(family)
    .u8(0)
    .u8(resource >> 8)
    .u8(resource & 0xff); // res_id is big endian
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
  const writer = new NetlinkWriter();
  writer.message("nft batch", NFNL_MSG_BATCH_BEGIN, 0, () => header(writer, 0, NFNL_SUBSYS_NFTABLES));
  let answers = 0;
  for (const [action, elements] of [
    ["remove", changes.remove],
    ["add", changes.add],
  ] as const) {
    for (const element of elements) {
      answers += 1;
      const flags = action === "add" ? NLM_F_ACK | NLM_F_CREATE : NLM_F_ACK;
      const type = nft(action === "add" ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
      writer.message(`nft ${action} element of ${element.map}`, type, flags, () => {
        header(writer, NFPROTO_INET, 0);
        writer.attribute(NFTA_SET_ELEM_LIST.table, table).attribute(NFTA_SET_ELEM_LIST.set, element.map);
        writer.nest(NFTA_SET_ELEM_LIST.elements, () =>
          writer.nest(NFTA_LIST_ELEM, () => {
            writer.nest(NFTA_SET_ELEM.key, () => writer.attribute(NFTA_DATA_VALUE, element.key));
            if (action === "add")
              writer.nest(NFTA_SET_ELEM.data, () => writer.attribute(NFTA_DATA_VALUE, element.data));
          }),
        );
      });
    }
  }
  writer.message("nft batch", NFNL_MSG_BATCH_END, 0, () => header(writer, 0, NFNL_SUBSYS_NFTABLES));
  if (answers > 0) socket.request(writer, answers);
}

/** The number of the ruleset's last change, by whatever program. */
export function rulesetGeneration(socket: NetlinkSocket): number {
  const writer = new NetlinkWriter();
  writer.message("nft get generation", nft(NFT_MSG_GETGEN), NLM_F_ACK, () => header(writer, 0, 0));
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
    header(base, at.family, 0);
    base.attribute(1 /* NFTA_CHAIN_TABLE */, at.table).attribute(3 /* NFTA_CHAIN_NAME */, at.base);
  });
  const rules = new NetlinkWriter();
  rules.message("nft get rules", nft(NFT_MSG_GETRULE), NLM_F_DUMP, () => {
    header(rules, at.family, 0);
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
    header(writer, NFPROTO_INET, 0);
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
    header(writer, NFPROTO_INET, 0);
    writer.attribute(NFTA_SET_ELEM_LIST.table, table).attribute(NFTA_SET_ELEM_LIST.set, map);
  });
  let count = 0;
  for (const { payload } of socket.query(writer)) {
    const list = attributes(payload, 4).get(NFTA_SET_ELEM_LIST.elements);
    for (let at = 0; list !== undefined && at + 4 <= list.length; at += (list.readUInt16LE(at) + 3) & ~3) count += 1;
  }
  return count;
}
