// What another strategy or other limits would have decided on the same evidence, beside what was decided.

import { post } from "./api.js";
import { el } from "./dom.js";
import { number, percent } from "./format.js";
import { ordered } from "./palette.js";
import { sparkline, weightsBar } from "./bars.js";
import { pill } from "./standing.js";

const ESTIMATES = [
  ["actual", "As it was"],
  ["dr", "As it would have been"],
];

/** The panel of one release. */
export class WhatIf {
  #text = "";
  #answer = null;
  #problem = "";
  #isAsking = false;

  constructor(path, onchange) {
    Object.assign(this, { path, onchange });
  }

  render(spec) {
    if (!spec) return null;
    const text = this.#text || pretty(spec);
    const field = el("textarea.mono", {
      name: "other",
      rows: "12",
      spellcheck: "false",
      "aria-label": "The other strategy and limits, as JSON",
      oninput: ({ target }) => {
        this.#text = target.value;
        this.onchange();
      },
    });
    field.value = text;
    return el(
      "div.what-if",
      {},
      el(
        "p.note",
        {},
        "Change strategy or limits, and see what would have been decided on the evidence that there is. ",
        "Nothing is applied.",
      ),
      this.#beginnings(spec, text),
      el(
        "form",
        {
          onsubmit: (event) => {
            event.preventDefault();
            this.#ask(event.target.other.value);
          },
        },
        field,
        this.#problem && el("p.bad", { role: "alert" }, this.#problem),
        el(
          "button",
          { type: "submit", disabled: this.#isAsking },
          this.#isAsking ? "Replaying the evidence" : "What if",
        ),
      ),
      el(
        "div.sides",
        { "aria-live": "polite" },
        this.#answer
          ? sides(this.#answer, spec)
          : el("p.empty", {}, "As it was, and as it would have been: both appear here, side by side."),
      ),
    );
  }

  /** Gives the buttons that fill in another strategy; pressed is the one that stands in the field. */
  #beginnings(spec, text) {
    return el(
      "div.choice",
      { role: "group", "aria-label": "Begin with" },
      presets(spec).map(([name, other]) =>
        el(
          "button",
          {
            type: "button",
            "aria-pressed": String(text === pretty(other)),
            onclick: ({ target }) => {
              this.#text = pretty(other);
              // The field on the page: that of this drawing is there only where nothing was drawn before it.
              const field = target.closest(".what-if").querySelector("textarea");
              field.value = this.#text;
              field.focus();
              this.onchange();
            },
          },
          name,
        ),
      ),
    );
  }

  async #ask(text) {
    this.#problem = "";
    this.#isAsking = true;
    this.onchange();
    try {
      this.#answer = await post(`${this.path}/what-if`, JSON.parse(text));
    } catch (error) {
      this.#problem = error instanceof SyntaxError ? `That is no JSON: ${error.message}` : error.message;
    }
    this.#isAsking = false;
    this.onchange();
  }
}

const pretty = ({ strategy, limits }) => JSON.stringify({ strategy, limits }, null, 2);

const BANDIT = { type: "bandit", interval: "1s" };

/** Gives what one may begin with: [name, {strategy, limits}]. */
function presets({ strategy, limits, variants }) {
  const asItIs = { strategy, limits };
  const slower = { ...limits, maxStep: Math.max(1, Math.round((limits.maxStep ?? 2000) / 2)) };
  const steps = { type: "canary", steps: [100, 1000, 5000], hold: "10s" };
  const others = [
    ["Half the steps", { strategy, limits: slower }],
    strategy.type !== "canary" && ["Canary", { strategy: steps, limits }],
    strategy.type !== "blueGreen" && variants.length === 2 && ["Blue/green", { strategy: { type: "blueGreen" }, limits }],
    ...["adaptive", "thompson", "klUcb"].map((type) => [`Bandit: ${type}`, { strategy: { ...BANDIT, policy: { type } }, limits }]),
  ].filter(Boolean);
  return [["As it is", asItIs], ...others.filter(([, other]) => pretty(other) !== pretty(asItIs))];
}

function sides(answer, { baseline }) {
  const { items, worth, lines } = answer;
  if (!items.length) return el("p.soft", {}, "Nothing was decided in what is left of the evidence.");
  const times = items
    .flatMap(({ actual, other }) => [actual, other])
    .filter(Boolean)
    .map((one) => one.time_ms);
  const ends = [Math.min(...times), Math.max(...times)];
  return [
    side("As it was", items.map((turn) => turn.actual).filter(Boolean), ends, baseline),
    side("As it would have been", items.map((turn) => turn.other).filter(Boolean), ends, baseline),
    worthOf(worth),
    el(
      "details.more",
      {},
      el("summary", {}, "In words"),
      el(
        "div.arithmetic",
        {},
        lines.map((line) => el("div", {}, line)),
      ),
    ),
  ];
}

function side(title, made, [from, to], baseline) {
  if (!made.length) return el("div.side", {}, el("h3", {}, title), el("p.soft", {}, "Nothing is decided."));
  const last = made.at(-1);
  const names = ordered(
    made.flatMap(({ weights }) => Object.keys(weights)),
    baseline,
  );
  // Both on one axis of time: they are compared.
  const trend = [[from, made[0].weights], ...made.map((one) => [one.time_ms, one.weights]), [to, last.weights]];
  return el(
    "div.side",
    {},
    el("h3", {}, title, " ", pill(last)),
    sparkline(trend, names),
    weightsBar(last.weights, names, { labels: true }),
    el("p.soft.rule", {}, last.rule),
  );
}

function worthOf(worth) {
  if (!worth) return null;
  const estimates = worth.estimates;
  const word = (value) => (value >= 0 && value <= 1 ? percent(value) : number(value));
  return el(
    "div.side.worth",
    {},
    el("h3", {}, `Mean ${worth.metric}`, worth.goal === "minimize" && el("small", {}, " less is better")),
    estimates
      ? ESTIMATES.map(([key, title]) =>
          el(
            "p",
            {},
            `${title}: `,
            el("b", {}, word(estimates[key].value)),
            estimates[key].interval && el("small", {}, ` ${estimates[key].interval.map(word).join(" – ")}`),
          ),
        )
      : el("p.soft", {}, "Not known: too few trials where the other one sends traffic."),
    worth.unknown_because_of &&
      el("p.soft", {}, `Nothing is known from where ${worth.unknown_because_of} would have had traffic and had none.`),
  );
}
