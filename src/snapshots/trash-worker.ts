// Deletes trees that lie in a trash folder, one after the other. Only synchronous calls: the thread has nothing else to do.
import { emptyTrash } from "./empty-trash.ts";

declare const self: {
  onmessage: ((event: MessageEvent<TrashOrder>) => void) | null;
  postMessage(message: TrashReply): void;
};

export interface TrashOrder {
  readonly folder: string;
  /** What to delete in it. */
  readonly name: string;
}
/** `left` could not be deleted. */
export interface TrashReply {
  readonly left: number;
}

self.onmessage = ({ data }) => self.postMessage({ left: emptyTrash(data.folder, data.name) });
