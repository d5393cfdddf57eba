// Bytes from the main thread to a Worker that works synchronously: eight slots in shared memory. The Worker sleeps in
// Atomics.wait, the main thread in Atomics.waitAsync, so neither is ever ahead of the other by more than the ring.

const slots = 8;
const slotBytes = 512 * 1024; // a multiple of the tar block: headers never cross slots
const state = { produced: 0, consumed: 1, mode: 2, lengths: 8 } as const;
const modes = { open: 0, ended: 1, aborted: 2 } as const;

/** `memory` as it is handed to the Worker. */
export interface RingMemory {
  readonly control: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

export const newRing = (): RingMemory => ({
  control: new SharedArrayBuffer(4 * (state.lengths + slots)),
  data: new SharedArrayBuffer(slots * slotBytes),
});

/** The writing end, for a thread that must not block. */
export class RingWriter {
  readonly #control: Int32Array;
  readonly #data: Uint8Array;
  #filled = 0;
  #stopped = false;

  constructor(memory: RingMemory) {
    this.#control = new Int32Array(memory.control);
    this.#data = new Uint8Array(memory.data);
  }

  /** Copies the bytes in, waiting for room. Does nothing after `stop`. */
  async write(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.length > 0 && !this.#stopped) {
      if (this.#filled === 0) await this.#room();
      const slot = (this.#control[state.produced] ?? 0) % slots;
      const part = rest.subarray(0, slotBytes - this.#filled);
      this.#data.set(part, slot * slotBytes + this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled === slotBytes) this.#publish();
    }
  }

  end(): void {
    if (this.#filled > 0) this.#publish();
    this.#setMode(modes.ended);
  }

  /** The reader's next read throws. */
  abort(): void {
    this.#stopped = true;
    this.#setMode(modes.aborted);
  }

  /** The reader has gone: nothing waits any more. */
  stop(): void {
    this.#stopped = true;
    Atomics.notify(this.#control, state.consumed);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  #publish(): void {
    const produced = this.#control[state.produced] ?? 0;
    this.#control[state.lengths + (produced % slots)] = this.#filled;
    this.#filled = 0;
    Atomics.store(this.#control, state.produced, produced + 1);
    Atomics.notify(this.#control, state.produced);
  }

  async #room(): Promise<void> {
    for (;;) {
      const consumed = Atomics.load(this.#control, state.consumed);
      if (this.#stopped || (this.#control[state.produced] ?? 0) - consumed < slots) return;
      const wait = Atomics.waitAsync(this.#control, state.consumed, consumed);
      if (wait.async) await wait.value;
    }
  }

  #setMode(mode: number): void {
    Atomics.store(this.#control, state.mode, mode);
    // a reader sleeps on `produced`: wake it although the number is the same
    Atomics.notify(this.#control, state.produced);
  }
}

/** The reading end, for a Worker that may block. */
export class RingReader {
  readonly #control: Int32Array;
  readonly #data: Uint8Array;
  #holding = false;

  constructor(memory: RingMemory) {
    this.#control = new Int32Array(memory.control);
    this.#data = new Uint8Array(memory.data);
  }

  /** The next bytes, valid until the next call; undefined at the end. Throws when the writer gave up. */
  next(): Uint8Array | undefined {
    if (this.#holding) {
      this.#holding = false;
      Atomics.add(this.#control, state.consumed, 1);
      Atomics.notify(this.#control, state.consumed);
    }
    const consumed = Atomics.load(this.#control, state.consumed);
    for (;;) {
      const mode = Atomics.load(this.#control, state.mode);
      if (mode === modes.aborted) throw new Error("the archive's source gave up");
      if (Atomics.load(this.#control, state.produced) !== consumed) break;
      if (mode === modes.ended) return undefined;
      // a time limit, as the mode may change between the load and the wait
      Atomics.wait(this.#control, state.produced, consumed, 100);
    }
    this.#holding = true;
    const slot = consumed % slots;
    return this.#data.subarray(slot * slotBytes, slot * slotBytes + (this.#control[state.lengths + slot] ?? 0));
  }
}
