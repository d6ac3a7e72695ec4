// Small drawings of weights: the bar of one decision, and how it came to be.

import { el, svg } from "./dom.js";
import { share, short } from "./format.js";
import { look } from "./palette.js";

const WIDTH = 160;
const HEIGHT = 36;

/** Gives the weights of one decision as a bar, which says them in words too. */
export function weightsBar(weights, variants, { labels = false } = {}) {
  const told = variants.filter((name) => name in weights).map((name) => `${name} ${share(weights[name])}`);
  return el(
    "div.weights",
    { role: "img", "aria-label": told.join(", ") },
    el(
      "div.weights-bar",
      {},
      variants.map(
        (name, at) =>
          weights[name] > 0 &&
          el(`span.swatch.p${look(at).at}`, {
            style: { "flex-grow": weights[name], "--colour": look(at).colour },
          }),
      ),
    ),
    labels &&
      el(
        "div.weights-words",
        {},
        variants.map(
          (name, at) =>
            name in weights && el("span", {}, swatch(at), `${short(name)} `, el("b", {}, share(weights[name]))),
        ),
      ),
  );
}

/** Gives the mark that stands for the variant in that place. */
export function swatch(at) {
  return el(`span.swatch.dot.p${look(at).at}`, { style: { "--colour": look(at).colour }, "aria-hidden": "true" });
}

/** Gives the last weights, stacked; `trend`: [[time in ms, {variant: basis points}], …], oldest first. */
export function sparkline(trend, variants) {
  const points = trend.length ? trend : [[0, {}]];
  const [from, to] = [points[0][0], Math.max(points.at(-1)[0], points[0][0] + 1)];
  const x = (time) => ((time - from) / (to - from)) * WIDTH;
  let below = points.map(() => 0);
  const layers = variants.map((name, at) => {
    const above = points.map(([, weights], i) => below[i] + (weights[name] ?? 0));
    const layer = svg("path", {
      d: `${stair(points, above, x, "M")} ${stair(points, below, x, "L", true)} Z`,
      style: { fill: look(at).colour },
    });
    below = above;
    return layer;
  });
  return svg(
    "svg.spark",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    layers,
  );
}

function stair(points, sums, x, begin, backwards = false) {
  const y = (sum) => HEIGHT - (sum / 10000) * HEIGHT;
  const corners = points.flatMap(([time], i) => [
    ...(i ? [[x(time), y(sums[i - 1])]] : []),
    [x(time), y(sums[i])],
    ...(i === points.length - 1 ? [[WIDTH, y(sums[i])]] : []),
  ]);
  if (backwards) corners.reverse();
  return corners.map(([left, top], i) => `${i ? "L" : begin}${left.toFixed(1)} ${top.toFixed(1)}`).join(" ");
}

/** Gives a line of the last values; null where nothing was seen. */
export function trendLine(values, at) {
  const known = values.map((value, i) => [i, value]).filter(([, value]) => value !== null && value !== undefined);
  if (known.length < 2) return null;
  const most = Math.max(...known.map(([, value]) => value)) || 1;
  const points = known.map(
    ([i, value]) => `${((i / (values.length - 1)) * 60).toFixed(1)},${(17 - (value / most) * 15).toFixed(1)}`,
  );
  return svg(
    "svg.trend",
    { viewBox: "0 0 60 18", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("polyline", {
      points: points.join(" "),
      "stroke-dasharray": look(at).dash,
      style: { stroke: look(at).colour },
    }),
  );
}
