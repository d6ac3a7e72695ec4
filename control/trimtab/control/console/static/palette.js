// Which colour, dash and sign a variant has: told apart without colour, and by those who see few of them.

const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 4", "6 2 1 2"];
export const COLOURS = DASHES.length;

/** Gives the order of variants on a page: the baseline first, for it is the ground that the others stand on. */
export function ordered(variants, baseline) {
  return [...new Set(variants)].sort((one, other) => (other === baseline) - (one === baseline));
}

/** Gives the look of the variant in that place. */
export function look(place) {
  const at = place && 1 + ((place - 1) % (COLOURS - 1)); // that of the baseline is nobody else's
  return { at, colour: `var(--v${at})`, dash: DASHES[at], dashes: DASHES[at] ? DASHES[at].split(" ").map(Number) : [] };
}
