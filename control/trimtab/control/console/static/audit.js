// Who ordered what, why, and what came of it.

import { el } from "./dom.js";
import { clock, iso, share } from "./format.js";

const SOURCES = { cli: "command line", api: "API", console: "console" };

/** Gives the orders on a release, newest first. */
export function audit(items) {
  if (!items?.length) return el("p.empty", {}, "Nobody has steered this release by hand, as far as is known.");
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
            " by ",
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
