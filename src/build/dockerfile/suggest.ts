/** ` (did you mean x?)` when one of the words is near to what was written, else nothing. */
export function didYouMean(written: string, words: Iterable<string>, prefix = ""): string {
  const best = nearest(written, words);
  return best === "" ? "" : ` (did you mean ${prefix}${best}?)`;
}

/** The word that is at most two typing mistakes away (one for words under four letters); empty = none. */
export function nearest(written: string, words: Iterable<string>): string {
  const wanted = written.toLowerCase();
  let best = "";
  let bestDistance = wanted.length < 4 ? 2 : 3;
  for (const word of words) {
    const distance = editDistance(wanted, word.toLowerCase(), bestDistance);
    if (distance >= bestDistance || distance === 0) continue;
    best = word;
    bestDistance = distance;
  }
  return best;
}

/** Levenshtein's distance; stops at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const swap = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(swap, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[b.length] ?? limit;
}
