// Compresses blocks, one after the other.
import { type PackedBlock, packBlock, type PackOrder } from "./pack-block.ts";

declare const self: {
  onmessage: ((event: MessageEvent<PackOrder>) => void) | null;
  postMessage(message: PackedBlock, transfer: ArrayBuffer[]): void;
};

self.onmessage = ({ data }) => {
  const bytes = packBlock(data.bytes, data.compression);
  self.postMessage({ bytes }, [bytes.buffer]);
};
