// One release: everything that is known of it, live, and the orders that a person may give.

import { follow, get } from "./api.js";
import { audit } from "./audit.js";
import { controls } from "./controls.js";
import { card, el, patch } from "./dom.js";
import { idOf, isOver, phaseOf, share } from "./format.js";
import { guardrails } from "./guardrails.js";
import { Log } from "./log.js";
import { ordered } from "./palette.js";
import { posteriors } from "./posterior.js";
import { sidecars } from "./sidecars.js";
import { alsoBecause, cause, facts, ladder, pill, waitsFor } from "./standing.js";
import { Track } from "./track.js";
import { metrics, segments, variants } from "./variants.js";
import { WeightsChart } from "./weights_chart.js";
import { WhatIf } from "./what_if.js";

const HISTORY = 200;
const SPOKEN_MS = 8000;
const REFRESH_MS = 5000;
const SELDOM_MS = 60_000;
const EAGER = 3; // refreshes: the audit log has an order a moment after the decision that came of it
const BY_HAND = /^(applied|pause|resume|promote|abort|retry|freeze|set-weights|exclude|confirm)\b/;

/** The page of one release; ends with `stop()`. */
export class ReleasePage {
  track = new Track();
  spec = null;
  reports = [];
  windows = null;
  orders = null;
  #isLive = false;
  #spokenMs = 0;
  #fetchedMs = 0;
  #seldomMs = 0;
  #eager = 0;
  #frame = 0;

  constructor(root, page, name) {
    Object.assign(this, { root, page, name, title: name, path: `/releases/${encodeURIComponent(name)}` });
    this.chart = new WeightsChart();
    this.chart.onspan = () => this.draw();
    this.log = new Log(name, { onchange: () => this.draw(), onolder: () => this.#older() });
    this.whatIf = new WhatIf(this.path, () => this.draw());
    this.timer = setInterval(() => this.#tick(), 1000);
    this.#load().catch((error) => this.page.failed(error));
  }

  stop() {
    clearInterval(this.timer);
    cancelAnimationFrame(this.#frame);
    this.stream?.stop();
    this.isStopped = true;
  }

  retry() {
    this.stream?.retry();
  }

  recolour() {
    this.chart.recolour();
  }

  async #load() {
    const [release, history] = await Promise.all([get(this.path), get(`${this.path}/decisions?limit=${HISTORY}`)]);
    if (this.isStopped) return;
    this.spec = release.spec;
    this.reports = release.status?.sidecars ?? [];
    this.track.add(...history.items, ...(release.status?.decision ? [release.status.decision] : []));
    this.log.isComplete = !history.next;
    // From the newest one of the history on, so that none between the two answers is missed.
    const newest = history.items[0];
    this.stream = follow(`${this.path}/events`, {
      lastId: newest && idOf(newest),
      onEvent: (kind, data) => this.#take(kind, data),
      onState: (state) => this.#heard(state),
    });
    this.draw();
    this.#refresh();
  }

  #take(kind, data) {
    if (kind === "sidecars") this.reports = data.items;
    if (kind === "decision" && this.track.add(data)) {
      if (BY_HAND.test(data.rule)) this.#hurry();
      this.#announce(data);
    }
    this.draw();
  }

  #heard(state) {
    this.#isLive = state.state === "live";
    this.page.connection(state);
  }

  async #older() {
    const { items, next } = await get(`${this.path}/decisions?limit=${HISTORY}&before=${idOf(this.track.oldest)}`);
    this.track.add(...items);
    this.log.isComplete = !next || !items.length;
    this.draw();
  }

  #tick() {
    if (Date.now() - this.#fetchedMs > REFRESH_MS) this.#refresh();
    this.draw();
  }

  /** Lets the next refreshes fetch all that they may: somebody has changed something. */
  #hurry() {
    this.#eager = EAGER;
    this.#fetchedMs = 0;
  }

  /** Fetches what no event tells: ages every time, and what people changed when there is reason to, for it is read
   * from Kafka. */
  async #refresh() {
    if (!this.#isLive) return;
    this.#fetchedMs = Date.now();
    const isAll = this.#eager > 0 || this.#fetchedMs - this.#seldomMs > SELDOM_MS;
    if (isAll) {
      this.#eager = Math.max(0, this.#eager - 1);
      this.#seldomMs = this.#fetchedMs;
    }
    const parts = ["/windows", ...(isAll ? ["/commands", ""] : [])].map((part) => get(this.path + part));
    const [windows, orders, release] = await Promise.allSettled(parts);
    if (windows.status === "fulfilled") this.windows = windows.value;
    if (orders?.status === "fulfilled") this.orders = orders.value.items;
    if (release?.status === "fulfilled") this.spec = release.value.spec; // another file may have been applied
    this.draw();
  }

  /** Says what changed, to those who listen to the page; not at every move. */
  #announce(decision) {
    if (Date.now() - this.#spokenMs < SPOKEN_MS && !isOver(decision)) return;
    this.#spokenMs = Date.now();
    const told = Object.entries(decision.weights).map(([name, points]) => `${name} ${share(points)}`);
    this.page.say(`${this.name}: ${phaseOf(decision)[0]}, ${told.join(", ")}`);
  }

  /** Draws the page once before the next frame, however often it is asked to. */
  draw() {
    if (!this.#frame)
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#drawNow();
      });
  }

  #drawNow() {
    if (this.isStopped) return;
    const decision = this.track.newest;
    if (!decision) return patch(this.root, el("p.empty", {}, "No decision yet: a worker has to take the release."));
    const baseline = this.spec?.baseline;
    const names = ordered(Object.keys(decision.weights), baseline);
    const everyone = ordered(this.track.variants(), baseline); // those that left the file come last
    const arms = names.map((name) => decision.arms.find(({ variant }) => variant === name)).filter(Boolean);
    const steered = {
      decision,
      baseline,
      names,
      onordered: (text) => {
        this.page.notice(text);
        this.#hurry();
      },
    };
    const own = metrics(decision.arms, names);
    const apart = segments(decision.arms, names);
    const objective = {
      metric: this.spec?.objective.metric ?? "the objective",
      goal: this.spec?.objective.goal,
      isShare: this.spec?.objective.values !== "real",
    };
    const places = new Map(names.map((name, at) => [name, at]));
    patch(
      this.root,
      el(
        "div.page-head.release",
        { "data-key": "head", "data-phase": decision.phase, "data-revision": idOf(decision) },
        el(
          "div",
          {},
          el("h1", {}, this.name, " ", pill(decision)),
          el("p.lead", {}, waitsFor(decision, this.spec)),
          decision.phase !== "progressing" && el("p.soft.rule", {}, cause(decision, this.track)),
          alsoBecause(decision).map((reason) => el("p.soft.rule", {}, reason)),
        ),
        controls(steered, this.page.session),
      ),
      el(
        "div.grid",
        { "data-key": "grid" },
        card("weights", "Weights", () => this.chart.node, this.chart.spans()),
        card("standing", "Where it stands", () => [
          ladder(decision, this.spec),
          facts(decision, this.spec, this.track),
        ]),
        card("variants", "Variants", () => variants(this.track, names, baseline, this.windows)),
        card("posteriors", "What it believes", () => posteriors(arms, objective)),
        card("guardrails", "Guardrails", () => guardrails([...decision.assessments, ...this.track.failures()], places)),
        own && card("metrics", "Metrics", () => own),
        apart && card("segments", "Segments", () => apart),
        card("decisions", "Decisions", () => this.log.render(this.track, everyone), this.log.choice()),
        el(
          "div.aside",
          { "data-key": "aside" },
          card("sidecars", "Sidecars", () => sidecars(this.reports, this.track)),
          card("audit", "Orders", () => audit(this.orders)),
        ),
        card("what-if", "What if", () => this.whatIf.render(this.spec)),
      ),
    );
    this.chart.update(this.track, everyone, this.#isLive);
  }
}
