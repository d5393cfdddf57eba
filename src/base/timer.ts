/** setTimeout() takes 31 bits: what is longer would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** A time to wait as a timer can take it. Longer ones end after 24.8 days. */
export const timerMs = (ms: number): number => Math.max(0, Math.min(maxTimerMs, ms));
