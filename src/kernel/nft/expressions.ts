import type { NetlinkWriter } from "../netlink/writer.ts";
import { be32 } from "./batch.ts";

/** One step of a rule, as the kernel's nf_tables machine has them. Register 1 carries the value from step to step. */
export interface Expression {
  readonly name: string;
  readonly write: (writer: NetlinkWriter) => void;
}

const register = be32(1);
const secondRegister = be32(2);
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;

/** Loads bytes of the packet. */
export const payload = (base: "network" | "transport", offset: number, length: number): Expression => ({
  name: "payload",
  write: (writer) => {
    writer.attribute(1, register).attribute(2, be32(base === "network" ? 1 : 2));
    writer.attribute(3, be32(offset)).attribute(4, be32(length));
  },
});

/** Loads a fact of the packet; the key is an NFT_META_* number. */
export const meta = (key: "oifname" | "nfproto" | "l4proto"): Expression => ({
  name: "meta",
  write: (writer) => {
    writer.attribute(1, register).attribute(2, be32({ oifname: 7, nfproto: 15, l4proto: 16 }[key]));
  },
});

/** Loads the state of the packet's connection as bits (NF_CT_STATE_BIT). */
export const connectionState: Expression = {
  name: "ct",
  write: (writer) => {
    writer.attribute(1, register).attribute(2, be32(0 /* NFT_CT_STATE */));
  },
};

/** Keeps only the bits of the mask, which is as long as the value. */
export const masked = (mask: Uint8Array): Expression => ({
  name: "bitwise",
  write: (writer) => {
    writer.attribute(1, register).attribute(2, register).attribute(3, be32(mask.length));
    writer.nest(4, () => writer.attribute(NFTA_DATA_VALUE, mask));
    writer.nest(5, () => writer.attribute(NFTA_DATA_VALUE, new Uint8Array(mask.length)));
  },
});

function compare(operation: number, bytes: Uint8Array): Expression {
  return {
    name: "cmp",
    write: (writer) => {
      writer.attribute(1, register).attribute(2, be32(operation));
      writer.nest(3, () => writer.attribute(NFTA_DATA_VALUE, bytes));
    },
  };
}

/** Goes on only when the value is this one. */
export const equals = (bytes: Uint8Array): Expression => compare(0, bytes);
/** Goes on only when the value is another one. */
export const differs = (bytes: Uint8Array): Expression => compare(1, bytes);

/** Goes on only when the value is an element of the set. */
export const inSet = (name: string): Expression => ({
  name: "lookup",
  write: (writer) => {
    writer.attribute(1, name).attribute(2, register);
  },
});

/** Ends the rule with a verdict. */
export const verdict = (what: "accept" | "drop"): Expression => ({
  name: "immediate",
  write: (writer) => {
    writer.attribute(1, be32(0));
    writer.nest(2, () =>
      writer.nest(NFTA_DATA_VERDICT, () => writer.attribute(1, be32(what === "accept" ? 1 : 0 /* NF_DROP */))),
    );
  },
});

/** Sends the connection to another address and port of the same family. */
export const destination = (address: Uint8Array, port: Uint8Array): readonly Expression[] => [
  {
    name: "immediate",
    write: (writer) => {
      writer.attribute(1, register);
      writer.nest(2, () => writer.attribute(NFTA_DATA_VALUE, address));
    },
  },
  {
    name: "immediate",
    write: (writer) => {
      writer.attribute(1, secondRegister);
      writer.nest(2, () => writer.attribute(NFTA_DATA_VALUE, port));
    },
  },
  {
    name: "nat",
    write: (writer) => {
      writer.attribute(1, be32(1 /* NFT_NAT_DNAT */)).attribute(2, be32(address.length === 4 ? 2 : 10));
      writer.attribute(3, register).attribute(4, register);
      writer.attribute(5, secondRegister).attribute(6, secondRegister);
    },
  },
];
