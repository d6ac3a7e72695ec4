// The variants side by side: traffic, errors and latency of the last minute, and how much that rests on.

import { el, table } from "./dom.js";
import { age, count, milliseconds, number, percent, probability, share } from "./format.js";
import { swatch, trendLine } from "./bars.js";
import { look } from "./palette.js";

const OLD_MS = 60_000;
const FEW = 30;

/** Gives the table; `windows` is what the API knows of the age of the data, null while it does not answer. */
export function variants(track, names, baseline, windows) {
  const arms = inOrder(track.newest.arms, names);
  const heard = new Map((windows?.variants ?? []).map((one) => [one.variant, one]));
  const rows = arms.map((arm) => {
    const at = names.indexOf(arm.variant);
    return [
      arm.variant,
      [
        el(
          "span.variant",
          {},
          swatch(at),
          el("span.name", {}, arm.variant),
          arm.variant === baseline && el("span.tag", {}, "baseline"),
          arm.excluded && el("span.tag.bad", {}, "✕ out"),
        ),
        el(
          "span.share",
          {},
          el("b", {}, share(arm.weight)),
          el(
            "span.bar.thin",
            { "aria-hidden": "true" },
            el("span.fill", { style: { width: `${arm.weight / 100}%`, background: look(at).colour } }),
          ),
        ),
        withTrend(
          percent(arm.error_ratio),
          track.ofArm(arm.variant, (one) => one.error_ratio),
          at,
        ),
        milliseconds(arm.p50_ms),
        withTrend(
          milliseconds(arm.p99_ms),
          track.ofArm(arm.variant, (one) => one.p99_ms),
          at,
        ),
        count(arm.responses),
        count(arm.in_flight),
        freshness(arm, heard.get(arm.variant)),
        probability(arm.probability_best),
      ],
      arm.excluded && "out",
    ];
  });
  const columns = [
    ["Variant", ""],
    ["Weight", ""],
    ["Errors, 1 min", "number"],
    ["p50", "number"],
    ["p99", "number"],
    ["Responses", "number"],
    ["In flight", "number"],
    ["Data", ""],
    ["P(best)", "number"],
  ];
  const out = arms.filter(({ excluded }) => excluded);
  return [
    table("Variants", columns, rows),
    out.map(({ variant, excluded }) =>
      el("p.note", { "data-key": `out-${variant}` }, el("b.bad", {}, `✕ ${variant} takes no traffic: `), excluded),
    ),
    track.newest.scaling.map(advice),
  ];
}

/** Gives what was last advised on the size of a variant. */
function advice({ variant, action, reason, changes }) {
  const told = changes.map(
    ({ resource, before, after, target }) => `${resource}${target && ` of ${target}`} ${before} → ${after}`,
  );
  return el(
    "p.note",
    { "data-key": `size-${variant}` },
    el("b", {}, `Size of ${variant}: `),
    [action.replaceAll("_", " "), ...told, reason].join(", "),
  );
}

const inOrder = (arms, names) =>
  [...arms].sort((one, other) => names.indexOf(one.variant) - names.indexOf(other.variant));

const withTrend = (text, values, at) => el("span.with-trend", {}, trendLine(values, at), text);

function freshness(arm, window) {
  const oldMs = window?.age_ms;
  const known = oldMs !== undefined && oldMs !== null;
  if (!arm.responses) return el("span.tag.held", {}, "nothing yet");
  const little = arm.error_ratio === null || (known && oldMs > OLD_MS) || arm.responses < FEW;
  return el(
    "span.fresh",
    {},
    little && el("span.tag.held", {}, "little recent data"),
    " ",
    known && el("small", {}, `${age(oldMs)} old`),
  );
}

/** Gives the metrics of the release file. */
export function metrics(arms, names) {
  const known = [...new Set(arms.flatMap((arm) => Object.keys(arm.metrics)))];
  if (!known.length) return null;
  const rows = known.map((name) => [name, [name, ...inOrder(arms, names).map((arm) => number(arm.metrics[name]))]]);
  return table(
    "Metrics of the release file, in the last minute",
    [["Metric, 1 min", ""], ...names.map((name) => [name, "number"])],
    rows,
  );
}

/** Gives what was seen in each segment that is kept apart. */
export function segments(arms, names) {
  const known = [...new Set(arms.flatMap((arm) => Object.keys(arm.segments)))];
  if (!known.length) return null;
  const rows = known.flatMap((segment) =>
    inOrder(arms, names)
      .filter((arm) => arm.segments[segment])
      .map((arm) => {
        const seen = arm.segments[segment];
        const at = names.indexOf(arm.variant);
        return [
          `${segment} ${arm.variant}`,
          [
            segment,
            el("span.variant", {}, swatch(at), arm.variant),
            el(
              "span.share",
              {},
              el("b", {}, share(seen.weight)),
              el(
                "span.bar.thin",
                { "aria-hidden": "true" },
                el("span.fill", { style: { width: `${seen.weight / 100}%`, background: look(at).colour } }),
              ),
            ),
            seen.trials ? percent(seen.reward_sum / seen.trials) : "–",
            count(seen.responses),
            percent(seen.error_ratio),
            milliseconds(seen.p99_ms),
          ],
        ];
      }),
  );
  return table(
    "Segments",
    [
      ["Segment", ""],
      ["Variant", ""],
      ["Weight", ""],
      ["Mean reward", "number"],
      ["Responses", "number"],
      ["Errors, 1 min", "number"],
      ["p99", "number"],
    ],
    rows,
  );
}
