// Where a release stands and what it waits for, in plain words.

import { el } from "./dom.js";
import { clock, count, duration, idOf, iso, isOver, phaseOf, share, STRATEGIES } from "./format.js";

/** Gives the sentence that an operator looks for first. */
export function waitsFor(decision, spec) {
  const { phase, queued_behind: behind, weights, rule } = decision;
  if (behind && !isOver(decision)) return `It waits for ${behind}, which has the traffic of the same service.`;
  const taker = Object.keys(weights).find((name) => weights[name] === 10000);
  switch (phase) {
    case "paused":
      return "Weights are held until somebody resumes it. Guardrails stay on guard.";
    case "frozen":
      return "Weights are held whatever happens, guardrails included, until somebody resumes it.";
    case "promoted":
      return taker
        ? `It is over: ${taker} takes all traffic.`
        : "It is over: the best variant takes what the holdout leaves.";
    case "rolled_back":
      return `It is over: all traffic is back on ${spec?.baseline ?? taker ?? "the baseline"}.`;
    case "completed":
      return "It is over: what was to be found out is found out.";
    default:
      return sentence(rule);
  }
}

const sentence = (rule) => {
  const [, step, waits] = /^(canary step \d+ of \d+): (.*)$/.exec(rule) ?? [];
  const text = step
    ? `${step[0].toUpperCase()}${step.slice(1)} — ${waits}`
    : `${rule[0].toUpperCase()}${rule.slice(1)}`;
  return `${text}.`;
};

/** Gives the steps of a canary or of a blue/green release as a ladder; nothing for other strategies. */
export function ladder(decision, spec) {
  const strategy = spec?.strategy ?? {};
  const steps = { canary: strategy.steps, blueGreen: [strategy.preview ?? 0, 10000] }[strategy.type];
  if (!steps) return null;
  const names = strategy.type === "blueGreen" ? ["Before the switch", "After the switch"] : steps.map(share);
  return el(
    "ol.ladder",
    { "aria-label": "Steps" },
    names.map((name, at) => {
      const state = stepState(decision, at);
      return el(`li.${state}`, { "aria-current": state === "now" && "step" }, el("span", {}, name));
    }),
    strategy.type === "canary" &&
      el(`li.${decision.phase === "promoted" ? "done" : "next"}`, {}, el("span", {}, "all")),
  );
}

function stepState({ phase, step }, at) {
  if (phase === "promoted" || at < step) return "done";
  if (at > step) return "next";
  return phase === "rolled_back" ? "failed" : "now";
}

/** Gives why a release is in its phase: the rule of the decision with which that began; empty where it is not known. */
export function cause(decision, track) {
  const all = track.decisions;
  for (let at = all.length - 1; at > 0; at -= 1) {
    if (all[at].phase === decision.phase && all[at - 1].phase !== decision.phase)
      return `${clock(all[at].time_ms)}: ${all[at].rule}`;
  }
  return "";
}

/** Gives the reasons beside the rule, and how traffic does not follow; why a variant is excluded stands with the variants. */
export function alsoBecause({ arms, reasons, rule, divergences = [] }) {
  const known = arms.map(({ excluded }) => excluded).filter(Boolean);
  const diverge = divergences.map(({ words }) => words).filter((words) => !rule.includes(words));
  return [
    ...reasons.filter((reason) => reason !== rule && !known.some((words) => reason.includes(words))),
    ...diverge.map((words) => `Traffic does not follow the weights: ${words}`),
  ];
}

/** Gives the sign and the word of a phase. */
export function pill(decision) {
  const [word, tone, sign] = phaseOf(decision);
  return el(`span.pill.${tone}`, {}, el("i", { "aria-hidden": "true" }, sign), ` ${word}`);
}

/** Gives the facts beside the chart. */
export function facts(decision, spec, track) {
  const began =
    [...track.decisions]
      .reverse()
      .find((one, i, all) => all[i + 1]?.phase !== one.phase || all[i + 1]?.step !== one.step) ?? decision;
  const { seen } = decision;
  const rows = [
    ["In this state", duration((isOver(decision) ? decision.time_ms : Date.now()) - began.time_ms)],
    [
      "Strategy",
      [STRATEGIES[decision.strategy] ?? decision.strategy, spec?.strategy?.policy?.type]
        .filter(Boolean)
        .join(", policy "),
    ],
    ["Objective", spec ? `${spec.objective.goal === "minimize" ? "least" : "most"} ${spec.objective.metric}` : "–"],
    ["Baseline", spec?.baseline ?? "–"],
    ["Newest decision", el("time", { datetime: iso(decision.time_ms) }, clock(decision.time_ms))],
    ["Revision", el("span.mono", {}, idOf(decision))],
    ["Events counted", `${count(seen.counted)}, ${count(seen.late)} late, ${count(seen.dead_lettered)} refused`],
  ];
  return el(
    "dl.facts",
    {},
    rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}
