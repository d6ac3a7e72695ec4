// Who ordered what, why, and what came of it.

import { el } from "./dom.js";
import { clock, iso, share } from "./format.js";

const SOURCES = { cli: "the command line", api: "the API", console: "the console", hook: "its hook" };

/** Gives changes, newest first: of one release, or from everywhere. */
export function audit(items, { everywhere = false } = {}) {
  if (!items?.length)
    return el(
      "p.empty",
      {},
      everywhere
        ? "Nobody has changed anything, as far as is known."
        : "Nobody has steered this release by hand, as far as is known.",
    );
  return el(
    "ul.sidecars",
    {},
    items.map((item, i) =>
      el(
        "li",
        { "data-key": `${item.time_ms} ${i}` },
        el(
          "div.card-head",
          {},
          el(
            "span",
            {},
            el("b", {}, item.action),
            " ",
            everywhere && of(item),
            "by ",
            item.actor || "nobody named",
            " ",
            el("small", {}, [item.role, `by ${SOURCES[item.source] ?? item.source}`].filter(Boolean).join(", ")),
          ),
          el("time", { datetime: iso(item.time_ms) }, clock(item.time_ms)),
        ),
        el("p", {}, item.reason || el("span.soft", {}, "No reason given.")),
        el("small", {}, [item.outcome, item.detail, change(item)].filter(Boolean).join(" · ")),
      ),
    ),
  );
}

const of = ({ release, subject }) =>
  release ? [el("a", { href: `#/releases/${encodeURIComponent(release)}` }, release), " "] : `${subject} `;

function change({ before, after }) {
  if (!before || !after) return "";
  const weights = (side) =>
    Object.entries(side.weights ?? {})
      .map(([name, points]) => `${name} ${share(points)}`)
      .join(", ");
  const phases = before.phase === after.phase ? "" : `${before.phase} → ${after.phase}`.replaceAll("_", " ");
  return [phases, weights(before) === weights(after) ? "" : `${weights(before)} → ${weights(after)}`]
    .filter(Boolean)
    .join("; ");
}
