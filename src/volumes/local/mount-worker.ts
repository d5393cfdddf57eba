// Makes one mount that may wait long: for a server of the network, for a disk.
import { SyscallError } from "../../kernel/call.ts";
import { mount } from "../../kernel/mount.ts";

export type MountRequest = Parameters<typeof mount>[0];
export interface MountReply {
  /** 0 = mounted. */
  readonly errno: number;
}

declare const self: {
  onmessage: ((event: MessageEvent<MountRequest>) => void) | null;
  postMessage(message: MountReply): void;
};

self.onmessage = ({ data }) => {
  try {
    mount(data);
    self.postMessage({ errno: 0 });
  } catch (error) {
    self.postMessage({ errno: error instanceof SyscallError ? error.errno : 5 });
  }
};
