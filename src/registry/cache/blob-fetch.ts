import { open } from "node:fs/promises";
import { errorMessage } from "../../base/errors.ts";

const readBytes = 256 * 1024;

/**
 * A blob on its way from an upstream into a file, followed by all who asked for it. They get what is written as it
 * comes, all but the last byte: that one only when the whole is verified, so that nobody takes a lie for complete.
 */
export class BlobFetch {
  readonly sizeBytes: number;
  readonly #path: string;
  #written = 0;
  #verified = false;
  #failure: Error | undefined;
  #news = Promise.withResolvers<void>();

  constructor(path: string, sizeBytes: number) {
    this.#path = path;
    this.sizeBytes = sizeBytes;
  }

  advanced(writtenBytes: number): void {
    this.#written = writtenBytes;
    this.#tell();
  }

  verified(): void {
    this.#verified = true;
    this.#tell();
  }

  failed(error: unknown): void {
    this.#failure = error instanceof Error ? error : new Error(errorMessage(error));
    this.#tell();
  }

  /** The bytes as they come. Rejects before the first one when the file is gone or the upstream failed. */
  async follow(): Promise<ReadableStream<Uint8Array>> {
    const file = await open(this.#path, "r"); // stays readable when the file moves to its place
    let at = 0;
    return new ReadableStream<Uint8Array>({
      type: "bytes",
      pull: async (controller) => {
        try {
          while (at < this.sizeBytes && at >= this.#ready()) {
            if (this.#failure !== undefined) throw this.#failure;
            await this.#news.promise;
          }
          const wanted = Math.max(0, Math.min(readBytes, this.#ready() - at)); // 0 of an empty blob
          const { bytesRead, buffer } = await file.read(new Uint8Array(wanted), 0, wanted, at);
          at += bytesRead;
          if (bytesRead > 0) controller.enqueue(buffer.subarray(0, bytesRead));
          if (at < this.sizeBytes) return;
          await file.close();
          controller.close();
        } catch (error) {
          await file.close();
          controller.error(error);
        }
      },
      cancel: () => file.close(),
    });
  }

  #ready(): number {
    return this.#verified ? this.sizeBytes : Math.min(this.#written, this.sizeBytes - 1);
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
