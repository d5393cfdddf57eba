import { SyscallError } from "../call.ts";
import type { NetlinkSocket } from "../netlink/netlink-socket.ts";
import { type NetlinkWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL } from "../netlink/writer.ts";
import { be32, nftFamilies, nftHeader, nftMessage, nftTransaction } from "./batch.ts";
import type { Expression } from "./expressions.ts";

// linux/netfilter/nf_tables.h
const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_NEWSET = 9;
const NFTA_NAME = 1;
const NFTA_CHAIN = { table: 1, name: 3, hook: 4, policy: 5, type: 7 };
const NFTA_HOOK = { number: 1, priority: 2 };
const NFTA_RULE = { table: 1, chain: 2, expressions: 4 };
const NFTA_SET = { table: 1, name: 2, flags: 3, keyType: 4, keyLength: 5, id: 10 };
const NFTA_LIST_ELEM = 1;
const NFTA_EXPR = { name: 1, data: 2 };
const NFT_SET_TIMEOUT = 0x10;
const NLM_F_APPEND = 0x800;
/** linux/netfilter.h: NF_INET_* */
const hooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const verdicts = { drop: 0, accept: 1 } as const;

/** A small table as it shall be: what a namespace of a container gets. */
export interface TableSpec {
  readonly family: keyof typeof nftFamilies;
  readonly name: string;
  /** Sets of addresses whose elements time out. */
  readonly sets: readonly { readonly name: string; readonly addressBytes: 4 | 16 }[];
  readonly chains: readonly {
    readonly name: string;
    readonly type: "filter" | "nat";
    readonly hook: keyof typeof hooks;
    readonly priority: number;
    readonly policy: keyof typeof verdicts;
    readonly rules: readonly (readonly Expression[])[];
  }[];
}

/** Puts the table in the place of one of that name, in one transaction. */
export function replaceTable(socket: NetlinkSocket, table: TableSpec): void {
  try {
    // Deleting costs a grace period of the kernel, some 10 ms: only where there is something to delete.
    writeTable(socket, table, { replace: false });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "EEXIST") throw error;
    writeTable(socket, table, { replace: true });
  }
}

function writeTable(socket: NetlinkSocket, table: TableSpec, { replace }: { replace: boolean }): void {
  const family = nftFamilies[table.family];
  nftTransaction(socket, (writer) => {
    let answers = 0;
    const message = (what: string, type: number, flags: number, body: () => void): void => {
      answers += 1;
      writer.message(`nft ${what} ${table.name}`, nftMessage(type), NLM_F_ACK | flags, () => {
        nftHeader(writer, family);
        body();
      });
    };
    const named = (): unknown => writer.attribute(NFTA_NAME, table.name);
    if (replace) message("delete table", NFT_MSG_DELTABLE, 0, named);
    message("add table", NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, named);
    for (const [index, { name, addressBytes }] of table.sets.entries()) {
      message("add set of", NFT_MSG_NEWSET, NLM_F_CREATE, () => {
        writer.attribute(NFTA_SET.table, table.name).attribute(NFTA_SET.name, name);
        writer.attribute(NFTA_SET.flags, be32(NFT_SET_TIMEOUT));
        // What nft itself calls these types when it lists them.
        writer.attribute(NFTA_SET.keyType, be32(addressBytes === 4 ? 7 : 8));
        writer.attribute(NFTA_SET.keyLength, be32(addressBytes)).attribute(NFTA_SET.id, be32(index + 1));
      });
    }
    for (const { name, type, hook, priority, policy } of table.chains) {
      message("add chain of", NFT_MSG_NEWCHAIN, NLM_F_CREATE, () => {
        writer.attribute(NFTA_CHAIN.table, table.name).attribute(NFTA_CHAIN.name, name);
        writer.nest(NFTA_CHAIN.hook, () => {
          writer.attribute(NFTA_HOOK.number, be32(hooks[hook])).attribute(NFTA_HOOK.priority, be32(priority));
        });
        writer.attribute(NFTA_CHAIN.policy, be32(verdicts[policy])).attribute(NFTA_CHAIN.type, type);
      });
    }
    for (const chain of table.chains) {
      for (const rule of chain.rules) {
        message("add rule of", NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, () => {
          writer.attribute(NFTA_RULE.table, table.name).attribute(NFTA_RULE.chain, chain.name);
          writer.nest(NFTA_RULE.expressions, () => {
            for (const expression of rule) writeExpression(writer, expression);
          });
        });
      }
    }
    return answers;
  });
}

function writeExpression(writer: NetlinkWriter, expression: Expression): void {
  writer.nest(NFTA_LIST_ELEM, () => {
    writer.attribute(NFTA_EXPR.name, expression.name);
    writer.nest(NFTA_EXPR.data, () => expression.write(writer));
  });
}
