// Guardrails as bars against their limits, with what each verdict rests on.

import { el } from "./dom.js";
import { clock, count, measured, short } from "./format.js";
import { swatch } from "./bars.js";

const LIMIT_AT = 70; // percent of the bar's width
const VERDICTS = {
  pass: ["✓", "Pass", "good"],
  fail: ["✕", "Fail", "bad"],
  inconclusive: ["…", "Not known yet", "held"],
};

/** Gives guardrails, the variants of each together; those with a time are of an older decision. */
export function guardrails(assessments, places) {
  const groups = Map.groupBy(assessments, ({ guardrail, bound }) => `${guardrail} ${bound}`);
  if (!groups.size) return el("p.empty", {}, "The release file has no guardrails.");
  return [...groups].map(([key, found]) =>
    el(
      "div.rail",
      { "data-key": key },
      el("h3", {}, found[0].guardrail, el("small", {}, limitWords(found[0]))),
      found
        .sort((one, other) => places.get(one.variant) - places.get(other.variant))
        .map((one) => assessment(one, places)),
    ),
  );
}

function limitWords({ guardrail, bound, limit, severity, on_fail: onFail }) {
  const side = bound.startsWith("min") ? "at least" : "at most";
  const from = bound.endsWith("Ratio") ? ", from the baseline's" : "";
  return ` ${side} ${measured(guardrail, limit)}${from} · ${severity}, on a fail: ${onFail}`;
}

function assessment(found, places) {
  const [sign, word, tone] = VERDICTS[found.verdict];
  const value = measured(found.guardrail, found.value);
  const limit = measured(found.guardrail, found.limit);
  const evidence = Math.max(0, Math.min(100, (found.ln_evidence / (found.threshold || 1)) * 100));
  const tested = found.threshold > 0;
  return el(
    "div.assessment",
    { "data-key": found.variant },
    el(
      "span.who",
      {},
      swatch(places.get(found.variant) ?? 0),
      el("span.name", { title: found.variant }, short(found.variant)),
    ),
    el(
      "span.bar",
      { role: "img", "aria-label": found.value === null ? "nothing seen in the window" : `${value}, limit ${limit}` },
      el(`span.fill.${tone}`, { style: { width: `${width(found)}%` } }),
      el("span.limit", { style: { left: `${LIMIT_AT}%` }, title: `limit ${limit}` }),
    ),
    el(
      "span.value",
      {},
      found.value === null ? el("span.soft", {}, "nothing seen") : el("b", {}, value),
      found.value !== null && el("small", {}, `n ${count(found.n)}`),
    ),
    el(
      "span.evidence",
      {
        title: tested
          ? "ln E against the variant since the test began; the guardrail fails when it reaches its threshold"
          : "the share of the window that may be above the limit",
      },
      tested &&
        el("span.bar.thin", { "aria-hidden": "true" }, el(`span.fill.${tone}`, { style: { width: `${evidence}%` } })),
      el(
        "small",
        {},
        tested
          ? `ln E ${found.ln_evidence.toFixed(2)} of ${found.threshold.toFixed(2)}`
          : `${count(found.breaches)} above it, ${found.allowed_ratio * 100} % allowed`,
      ),
    ),
    el(`span.verdict.${tone}`, { title: found.reason }, el("i", { "aria-hidden": "true" }, sign), ` ${word}`),
    found.verdict !== "pass" &&
      el("small.because", {}, found.time_ms && `At ${clock(found.time_ms)}, when it was excluded: `, found.reason),
  );
}

function width({ value, limit }) {
  if (value === null || !(limit > 0)) return 0;
  return Math.min(100, (value / limit) * LIMIT_AT);
}
