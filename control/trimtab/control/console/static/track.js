// The decisions of a release that the page knows: in order, each once, wherever they came from.

import { byId, idOf } from "./format.js";

const MOST = 2000;

export class Track {
  decisions = [];
  #known = new Set();

  /** Adds decisions that are not known yet; gives whether there were any. */
  add(...found) {
    const before = this.#known.size;
    for (const decision of found) {
      if (this.#known.has(idOf(decision))) continue;
      this.#known.add(idOf(decision));
      this.decisions.push(decision);
    }
    if (this.#known.size === before) return false;
    this.decisions.sort(byId);
    for (const old of this.decisions.splice(0, this.decisions.length - MOST)) this.#known.delete(idOf(old));
    return true;
  }

  get newest() {
    return this.decisions.at(-1);
  }

  get oldest() {
    return this.decisions[0];
  }

  /** Gives every variant that has ever had a weight, those of the newest decision first. */
  variants() {
    return [...new Set([...this.decisions].reverse().flatMap(({ weights }) => Object.keys(weights)))];
  }

  /** Gives the last values of one arm, oldest first, for small trend lines. */
  ofArm(variant, value, length = 30) {
    return this.decisions.slice(-length).map(({ arms }) => {
      const arm = arms.find((one) => one.variant === variant);
      return arm ? value(arm) : null;
    });
  }

  /** Gives, for each variant that is excluded, the verdicts that failed it, and when: the newest decision has none. */
  failures() {
    const out = new Set(this.newest.arms.filter(({ excluded }) => excluded).map(({ variant }) => variant));
    const found = [];
    for (let at = this.decisions.length - 1; at >= 0 && out.size; at -= 1) {
      const failed = this.decisions[at].assessments.filter(
        ({ variant, verdict }) => verdict === "fail" && out.has(variant),
      );
      for (const one of failed) out.delete(one.variant);
      found.push(...failed.map((one) => ({ ...one, time_ms: this.decisions[at].time_ms })));
    }
    const assessed = new Set(this.newest.assessments.map(({ variant }) => variant));
    return found.filter(({ variant }) => !assessed.has(variant));
  }

  /** Gives the moments that deserve a mark: a phase begins, or a variant is excluded. */
  moments() {
    return this.decisions.flatMap((decision, i) => {
      const before = this.decisions[i - 1];
      if (!before) return [];
      const out = decision.arms.filter(
        ({ variant, excluded }) => excluded && !before.arms.find((one) => one.variant === variant)?.excluded,
      );
      const begins = decision.phase !== before.phase ? [{ decision, phase: decision.phase }] : [];
      return [...out.map(({ variant }) => ({ decision, variant })), ...begins];
    });
  }
}
