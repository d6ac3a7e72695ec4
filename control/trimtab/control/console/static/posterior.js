// What is believed of each variant's mean reward: its density and the interval that holds it with 95 %.

import { el, svg } from "./dom.js";
import { count, number, probability, short } from "./format.js";
import { look } from "./palette.js";
import { swatch } from "./bars.js";

const GRID = 240;
const FEW = 20;
const EDGE = 4; // percent of the axis: a number that stands there would stick out

/** Gives a row for each arm, on one axis. */
export function posteriors(arms, { metric, goal, isShare }) {
  const known = arms.map(belief);
  const [low, high] = domain(known);
  const x = (value) => Math.max(0, Math.min(100, ((value - low) / (high - low)) * 100));
  const best = [...arms].sort((one, other) => other.probability_best - one.probability_best)[0];
  const word = isShare ? (value) => `${(value * 100).toFixed(Math.abs(high - low) < 0.05 ? 2 : 1)}%` : number;
  return [
    el(
      "div.ridges",
      { role: "img", "aria-label": spoken(arms, known, metric, word) },
      arms.map((arm, at) =>
        el(
          "div.ridge",
          { "data-key": arm.variant },
          el(
            "div.ridge-name",
            {},
            swatch(at),
            el("span.name", { title: arm.variant }, short(arm.variant)),
            el("small", {}, `${count(arm.trials)} trials`),
          ),
          el("div.ridge-plot", {}, known[at] && ridge(known[at], low, high, at, x)),
          el(
            "div.ridge-figures",
            {},
            el("b", {}, word(arm.mean)),
            el("small", {}, known[at] ? `${word(known[at].from)} – ${word(known[at].to)}` : "no evidence yet"),
          ),
          el(
            "div.ridge-best",
            {},
            el("b", { class: arm === best && "good" }, probability(arm.probability_best)),
            el("small", {}, "best"),
          ),
        ),
      ),
      el(
        "div.ridge.axis",
        {},
        el("div"),
        el(
          "div.ridge-plot",
          {},
          ticks(low, high)
            .map((tick) => [tick, x(tick)])
            .filter(([, left]) => left > EDGE && left < 100 - EDGE)
            .map(([tick, left]) => el("span", { style: { left: `${left}%` } }, word(tick))),
        ),
        el("div"),
        el("div"),
      ),
    ),
    el(
      "p.note",
      {},
      `Mean of ${metric}${goal === "minimize" ? ", less is better" : ""}: `,
      "density, and the interval that holds it with 95%.",
      arms.some(({ trials }) => trials < FEW) && el("b", {}, " Wide where little has been seen."),
    ),
  ];
}

/** Gives the distribution as points of its density and its interval; null where it has none yet. */
export function belief(arm) {
  const normal = arm.degrees !== null && arm.degrees !== undefined;
  if (normal ? !(arm.scale > 0) : !(arm.alpha > 0)) return null;
  const spread = normal
    ? arm.scale * Math.sqrt(Math.max(1, arm.degrees / Math.max(1, arm.degrees - 2)))
    : Math.sqrt((arm.alpha * arm.beta) / ((arm.alpha + arm.beta) ** 2 * (arm.alpha + arm.beta + 1)));
  const [low, high] = [arm.mean - 6 * spread, arm.mean + 6 * spread].map((end) =>
    normal ? end : Math.max(0, Math.min(1, end)),
  );
  const points = Array.from({ length: GRID + 1 }, (_, i) => low + ((high - low) * (i + 0.5)) / (GRID + 1));
  const logs = points.map((value) =>
    normal
      ? -((arm.degrees + 1) / 2) * Math.log1p(((value - arm.mean) / arm.scale) ** 2 / arm.degrees)
      : (arm.alpha - 1) * Math.log(value) + (arm.beta - 1) * Math.log1p(-value),
  );
  const top = Math.max(...logs);
  const heights = logs.map((log) => Math.exp(log - top));
  const total = heights.reduce((sum, height) => sum + height, 0);
  const quantile = (wanted) => {
    let sum = 0;
    return points[heights.findIndex((height) => (sum += height / total) >= wanted)] ?? high;
  };
  return {
    points,
    heights,
    mean: arm.mean,
    trials: arm.trials,
    from: quantile(0.025),
    to: quantile(0.975),
    low: quantile(0.001),
    high: quantile(0.999),
  };
}

function domain(known) {
  const some = known.filter(Boolean);
  const telling = some.filter(({ trials }) => trials >= FEW);
  const shown = telling.length ? telling : some;
  if (!shown.length) return [0, 1];
  const [low, high] = [Math.min(...shown.map((one) => one.low)), Math.max(...shown.map((one) => one.high))];
  const room = (high - low || 1e-6) * 0.06;
  return [low - room, high + room];
}

function ridge(known, low, high, at, x) {
  if (known.to < low) return el("span.off-scale", {}, "◂ below this scale");
  if (known.from > high) return el("span.off-scale", { style: { right: "0" } }, "above this scale ▸");
  return [curve(known, low, high, at), interval(known, x)];
}

function curve({ points, heights }, low, high, at) {
  const corners = points.map(
    (value, i) => `${(((value - low) / (high - low)) * 1000).toFixed(1)},${(40 - heights[i] * 36).toFixed(1)}`,
  );
  const inside = corners.join(" ");
  return svg(
    "svg",
    { viewBox: "0 0 1000 40", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("polygon", {
      points: `${corners[0].split(",")[0]},40 ${inside} ${corners.at(-1).split(",")[0]},40`,
      style: { fill: look(at).colour },
    }),
    svg("polyline", { points: inside, "stroke-dasharray": look(at).dash, style: { stroke: look(at).colour } }),
  );
}

function interval({ from, to, mean }, x) {
  return el(
    "div.interval",
    { style: { left: `${x(from)}%`, right: `${100 - x(to)}%` } },
    el("i", { style: { left: `${x(to) > x(from) ? ((x(mean) - x(from)) / (x(to) - x(from))) * 100 : 50}%` } }),
  );
}

function ticks(low, high) {
  const raw = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= raw);
  const first = Math.ceil(low / step) * step;
  return Array.from({ length: 8 }, (_, i) => first + i * step).filter((tick) => tick <= high);
}

function spoken(arms, known, metric, word) {
  const told = arms.map((arm, at) =>
    known[at]
      ? `${arm.variant} ${word(arm.mean)}, between ${word(known[at].from)} and ${word(known[at].to)}, ` +
        `best with probability ${probability(arm.probability_best)}`
      : `${arm.variant} nothing yet`,
  );
  return `Posterior mean of ${metric}: ${told.join("; ")}`;
}
