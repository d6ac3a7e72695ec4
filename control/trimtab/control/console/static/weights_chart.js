// Weights over time, stacked. Between two decisions nothing moved, so the lines are stairs.

import { el, patch, table } from "./dom.js";
import { axisTime, clock, idOf, isOver, iso, plainRule, share, short } from "./format.js";
import { drawMarks, faded, paint } from "./chart_paint.js";
import { look } from "./palette.js";
import { swatch } from "./bars.js";

const HEIGHT = 280;
const LABEL_PX = 17;
const ROWS = 200;
const LEAST_QUIET_MS = 120_000;
export const SPANS = [
  ["2 min", 120],
  ["15 min", 900],
  ["All", Infinity],
];

/** The chart of one release; `node` is what stands on the page. */
export class WeightsChart {
  #plot = null;
  #names = [];
  #span = Infinity;
  #track = null;
  #toMs = 0;

  constructor() {
    this.canvas = el("div.plot", { role: "img", "aria-label": "Weights over time" });
    this.labels = el("div.plot-labels", { "aria-hidden": "true" });
    this.readout = el("p.readout", { "aria-hidden": "true" });
    this.rows = el("div.scroll", { tabindex: "0", role: "region", "aria-label": "Weights of each decision" });
    this.more = el(
      "details.more",
      { ontoggle: () => this.#tabulate() },
      el("summary", {}, "The same as a table"),
      this.rows,
    );
    this.node = el(
      "div.chart",
      { opaque: true },
      el("div.plot-frame", {}, this.canvas, this.labels),
      this.readout,
      this.more,
    );
    new ResizeObserver(() => this.#resize()).observe(this.canvas);
  }

  /** Gives the buttons that choose how far back it looks. */
  spans() {
    return el(
      "div.choice",
      { role: "group", "aria-label": "How far back" },
      SPANS.map(([name, seconds]) =>
        el(
          "button",
          {
            type: "button",
            "aria-pressed": String(seconds === this.#span),
            onclick: () => {
              this.#span = seconds;
              this.onspan?.();
            },
          },
          name,
        ),
      ),
    );
  }

  /** Draws what is known; `isLive`: nothing has been decided since, so that the last weights hold until now. */
  update(track, names, isLive) {
    this.#track = track;
    const { newest } = track;
    if (isLive && !isOver(newest)) this.#toMs = Math.min(Date.now(), newest.time_ms + quietMs(track));
    this.#toMs = Math.max(this.#toMs, newest.time_ms + 1000);
    if (names.join() !== this.#names.join()) this.#rebuild(names);
    this.#plot?.setData(this.#data(track.decisions), false);
    this.#scale();
    this.canvas.setAttribute(
      "aria-label",
      `Weights over time, ${track.decisions.length} decisions since ${clock(track.oldest.time_ms)}. ` +
        `Now ${names.filter((name) => name in newest.weights).map((name) => `${name} ${share(newest.weights[name] ?? 0)}`).join(", ")}. ` +
        "The same stands in the table below.",
    );
    this.#direct(newest);
    this.#read(null);
    this.#tabulate();
  }

  /** Draws it in the colours of the present theme. */
  recolour() {
    if (!this.#plot || !this.#track) return;
    this.#rebuild(this.#names);
    this.#plot.setData(this.#data(this.#track.decisions), false);
    this.#scale();
  }

  #data(decisions) {
    const times = [...decisions.map(({ time_ms: time }) => time / 1000), this.#toMs / 1000];
    const seen = [...decisions, decisions.at(-1)];
    const sums = new Array(times.length).fill(0);
    return [times, ...this.#names.map((name) => seen.map(({ weights }, i) => (sums[i] += (weights[name] ?? 0) / 100)))];
  }

  #scale() {
    const [first, last] = [this.#track.oldest.time_ms / 1000, this.#toMs / 1000];
    this.#plot?.setScale("x", { min: Math.max(first, last - this.#span), max: last });
  }

  #rebuild(names) {
    this.#names = names;
    this.#plot?.destroy();
    const colours = names.map((_, at) => paint(look(at).colour));
    const path = uPlot.paths.stepped({ align: 1 });
    const line = paint("var(--line)");
    const axis = {
      stroke: paint("var(--soft)"),
      grid: { stroke: line, width: 1 },
      ticks: { show: false },
      font: "12px Inter, sans-serif",
    };
    this.#plot = new uPlot(
      {
        width: this.canvas.clientWidth || 600,
        height: HEIGHT,
        legend: { show: false },
        padding: [8, 30, 0, 0],
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        scales: { x: { time: true }, y: { range: [0, 100] } },
        axes: [
          { ...axis, grid: { show: false }, space: 80, size: 30, values: times },
          { ...axis, size: 48, values: (_, at) => at.map((value) => `${value}%`), splits: [0, 25, 50, 75, 100] },
        ],
        series: [
          {},
          ...colours.map((colour, at) => ({
            stroke: colour,
            width: 2,
            dash: look(at).dashes,
            paths: path,
            points: { show: false },
            fill: at ? undefined : faded(colour),
          })),
        ],
        bands: colours.slice(1).map((colour, at) => ({ series: [at + 2, at + 1], fill: faded(colour) })),
        hooks: {
          draw: [(plot) => drawMarks(plot, this.#track?.moments() ?? [])],
          setCursor: [(plot) => this.#read(plot.cursor.idx)],
        },
      },
      [[], ...names.map(() => [])],
      this.canvas,
    );
  }

  /** Writes names and shares beside the chart, each at its band, none over another. */
  #direct(newest) {
    const plot = this.#plot;
    if (!plot) return;
    let below = 0;
    const labels = this.#names.map((name, at) => {
      const part = (newest.weights[name] ?? 0) / 100;
      below += part;
      return { name, at, part, top: plot.valToPos(below - part / 2, "y") + plot.over.offsetTop };
    });
    labels.sort((one, other) => other.top - one.top);
    labels.forEach((label, i) => {
      if (i) label.top = Math.min(label.top, labels[i - 1].top - LABEL_PX);
    });
    const over = Math.min(0, ...labels.map(({ top }) => top - 8));
    patch(
      this.labels,
      labels.map(({ name, at, part, top }) =>
        el(
          "span",
          { "data-key": name, title: name, style: { top: `${top - over}px` } },
          swatch(at),
          el("span.name", {}, short(name)),
          name in newest.weights ? el("b", {}, share(part * 100)) : el("span.soft", {}, "gone"),
        ),
      ),
    );
  }

  #read(place) {
    const decisions = this.#track?.decisions ?? [];
    const decision =
      place === null || place === undefined ? this.#track?.newest : decisions[Math.min(place, decisions.length - 1)];
    if (!decision) return;
    patch(
      this.readout,
      el("span.mono", {}, `${clock(decision.time_ms)} · ${idOf(decision).split("-")[1]}`),
      ` ${plainRule(decision)}`,
    );
  }

  #tabulate() {
    if (!this.more.open || !this.#track) return;
    const rows = this.#track.decisions
      .slice(-ROWS)
      .reverse()
      .map((decision) => [
        idOf(decision),
        [
          idOf(decision),
          el("time", { datetime: iso(decision.time_ms) }, clock(decision.time_ms)),
          ...this.#names.map((name) => (name in decision.weights ? share(decision.weights[name]) : "–")),
        ],
      ]);
    patch(
      this.rows,
      table(
        "Weights of each decision, newest first",
        [["Revision", ""], ["Time", ""], ...this.#names.map((name) => [name, "number"])],
        rows,
        "plain",
      ),
    );
  }

  #resize() {
    if (this.#plot && this.canvas.clientWidth) this.#plot.setSize({ width: this.canvas.clientWidth, height: HEIGHT });
    if (this.#track) this.#direct(this.#track.newest);
  }
}

/** Gives how long an unchanged end is drawn at most, for what came before it is not to shrink to a line. */
const quietMs = ({ oldest, newest }) => Math.max(LEAST_QUIET_MS, 3 * (newest.time_ms - oldest.time_ms));

const times = (_, at) => at.map((second) => axisTime(second * 1000, at.at(-1) - at[0]));
