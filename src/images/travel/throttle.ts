const reportMs = 100; // moby parity: ten lines a second and layer

/** Passes on at most ten values a second. */
export function throttle(tell: (value: number) => void): (value: number) => void {
  let next = 0;
  return (value) => {
    const now = performance.now();
    if (now < next) return;
    next = now + reportMs;
    tell(value);
  };
}
