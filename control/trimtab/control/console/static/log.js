// The decisions, newest first; each opens to the arithmetic behind it.

import { get } from "./api.js";
import { el } from "./dom.js";
import { clock, idOf, iso, plainRule, share } from "./format.js";
import { weightsBar } from "./bars.js";
import { pill } from "./standing.js";

const SHOWN = 12;

/** Whether a decision says anything that the one before it did not: most of a step only wait. */
function isChange(decision, before) {
  return (
    !before ||
    decision.rule !== before.rule ||
    decision.phase !== before.phase ||
    Object.entries(decision.weights).some(([name, points]) => points !== before.weights[name])
  );
}

/** Gives what moved, in words. */
function moves(decision, before, names) {
  if (!before) return "";
  const told = names
    .filter((name) => (before.weights[name] ?? 0) !== (decision.weights[name] ?? 0))
    .map((name) => `${name} ${share(before.weights[name] ?? 0)} → ${share(decision.weights[name] ?? 0)}`);
  return told.join(", ");
}

/** The log of one release. */
export class Log {
  #shown = SHOWN;
  #lines = new Map();
  #isAll = false;

  constructor(name, { onchange, onolder }) {
    Object.assign(this, { name, onchange, onolder, isComplete: false });
  }

  render(track, names) {
    const all = track.decisions.map((decision, i) => [decision, track.decisions[i - 1]]).reverse();
    const chosen = this.#isAll ? all : all.filter(([decision, before]) => isChange(decision, before));
    const entries = chosen.slice(0, this.#shown).map(([decision, before]) => this.#entry(decision, before, names));
    const hasMore = this.#shown < chosen.length || !this.isComplete;
    return [
      el("div.log", {}, entries),
      hasMore && el("button", { type: "button", onclick: () => this.#more(chosen.length) }, "Show older ones"),
    ];
  }

  /** Gives the buttons that choose which decisions are shown. */
  choice() {
    return el(
      "div.choice",
      { role: "group", "aria-label": "Which decisions" },
      [
        [false, "Changes"],
        [true, "All"],
      ].map(([isAll, word]) =>
        el(
          "button",
          {
            type: "button",
            "aria-pressed": String(this.#isAll === isAll),
            onclick: () => {
              this.#isAll = isAll;
              this.onchange();
            },
          },
          word,
        ),
      ),
    );
  }

  #more(known) {
    this.#shown += SHOWN;
    if (this.#shown > known && !this.isComplete) this.onolder();
    else this.onchange();
  }

  #entry(decision, before, names) {
    const id = idOf(decision);
    const told = moves(decision, before, names);
    const changed = !before || before.phase !== decision.phase;
    return el(
      "details.entry",
      { "data-key": id, "data-revision": id, ontoggle: ({ target }) => target.open && this.#explain(id) },
      el(
        "summary",
        {},
        el("time", { datetime: iso(decision.time_ms), title: `revision ${id}` }, clock(decision.time_ms)),
        weightsBar(decision.weights, names),
        el("span.rule", {}, changed && pill(decision), changed && " ", plainRule(decision), told && el("small", {}, told)),
      ),
      el("div.arithmetic", {}, this.#arithmetic(id)),
    );
  }

  #arithmetic(id) {
    const lines = this.#lines.get(id);
    if (!lines) return el("p.soft", {}, "Fetching the arithmetic");
    if (lines.failed) return el("p.bad", {}, lines.failed);
    return lines.map((line, i) =>
      line === ""
        ? null
        : el(
            `div${i && lines[i - 1] === "" ? ".title" : ""}`,
            { style: { "padding-left": `${line.search(/\S/)}ch` } },
            line.trim(),
          ),
    );
  }

  async #explain(id) {
    if (this.#lines.has(id) && !this.#lines.get(id).failed) return;
    try {
      this.#lines.set(id, (await get(`/releases/${encodeURIComponent(this.name)}/decisions/${id}/explanation`)).lines);
    } catch (error) {
      this.#lines.set(id, { failed: `The arithmetic could not be fetched: ${error.message}` });
    }
    this.onchange();
  }
}
