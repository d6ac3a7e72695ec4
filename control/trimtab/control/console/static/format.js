// Numbers and instants as people read them.

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const COUNT = new Intl.NumberFormat("en");
const NOTHING = "–";
const LONGEST = 11;

/** Gives basis points as a share: 250 is 2.5%. */
export const share = (points) => `${trimmed(points / 100, 2)}%`;

/** Gives a ratio as a percentage with as many digits as tell it apart. */
export const percent = (ratio) =>
  ratio === null || ratio === undefined ? NOTHING : `${trimmed(ratio * 100, digits(ratio * 100))}%`;

export const milliseconds = (value) =>
  value === null || value === undefined ? NOTHING : `${trimmed(value, value < 10 ? 1 : 0)} ms`;

export const count = (value) => COUNT.format(value);

export const number = (value) => (value === null || value === undefined ? NOTHING : `${Number(value.toPrecision(4))}`);

/** Gives a probability that never looks certain where it is not. */
export function probability(value) {
  if (value > 0.999 && value < 1) return "> 99.9%";
  if (value > 0 && value < 0.001) return "< 0.1%";
  return `${trimmed(value * 100, 1)}%`;
}

/** Gives a value of a guardrail in the unit that its name tells. */
export function measured(name, value) {
  if (/_ms\b/.test(name)) return milliseconds(value);
  return /rate|ratio|share/.test(name) ? percent(value) : number(value);
}

const digits = (value) => (value === 0 || Math.abs(value) >= 10 ? 1 : 2);
const trimmed = (value, places) => `${Number(value.toFixed(places))}`;

/** Gives the time of day, with the day where that is not today's. */
export function clock(timeMs) {
  const time = new Date(timeMs);
  const today = time.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(time) : `${DAY.format(time)} ${CLOCK.format(time)}`;
}

/** Gives a name as short as fits beside a chart: names of builds differ at their ends. */
export const short = (name) => (name.length > LONGEST ? `${name.slice(0, 4)}…${name.slice(-5)}` : name);

/** Gives an instant for an axis of so many seconds. */
export function axisTime(timeMs, seconds) {
  const time = new Date(timeMs);
  return seconds < 86_400 ? CLOCK.format(time) : `${DAY.format(time)} ${CLOCK.format(time).slice(0, 5)}`;
}

export const iso = (timeMs) => new Date(timeMs).toISOString();

/** Gives a stretch of time in its two largest units at most. */
export function duration(lengthMs) {
  const seconds = Math.max(0, Math.round(lengthMs / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min${seconds % 60 ? ` ${seconds % 60} s` : ""}`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

/** Gives an age in its largest unit: the older, the less does the rest matter. */
export function age(lengthMs) {
  const seconds = Math.max(0, Math.round(lengthMs / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}

export const ago = (timeMs) => `${age(Date.now() - timeMs)} ago`;

/** Gives a revision as addresses and event ids have it. */
export const idOf = (decision) => `${decision.era}-${decision.revision}`;

/** Orders decisions: negative where `one` is the older. */
export const byId = (one, other) => one.era - other.era || one.revision - other.revision;

const PHASES = {
  progressing: ["Progressing", "going", "●"],
  paused: ["Paused", "held", "‖"],
  frozen: ["Frozen", "held", "✻"],
  promoted: ["Promoted", "good", "✓"],
  rolled_back: ["Rolled back", "bad", "↩"],
  completed: ["Completed", "good", "✓"],
};

/** Gives the words, the tone and the sign of a phase; of one that waits in line, those of waiting. */
export function phaseOf({ phase, queued_behind: behind }) {
  if (behind && phase === "progressing") return ["Queued", "held", "◌"];
  return PHASES[phase] ?? [phase, "held", "?"];
}

/** Gives the rule of a decision as people read it: the engine names the phase of one that is over as its records do. */
export function plainRule({ phase, rule }) {
  return rule.startsWith(`${phase}: `) ? `${phaseOf({ phase })[0]}${rule.slice(phase.length)}` : rule;
}

export const isOver = ({ phase }) => ["promoted", "rolled_back", "completed"].includes(phase);

export const STRATEGIES = {
  canary: "Canary",
  blueGreen: "Blue/green",
  abTest: "A/B test",
  shadow: "Shadow",
  bandit: "Bandit",
  ensemble: "Ensemble",
};
