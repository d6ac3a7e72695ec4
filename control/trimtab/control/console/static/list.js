// All releases, live.

import { follow, get } from "./api.js";
import { el, patch } from "./dom.js";
import { ago, count, idOf, phaseOf, STRATEGIES } from "./format.js";
import { ordered } from "./palette.js";
import { sparkline, weightsBar } from "./bars.js";
import { pill, waitsFor } from "./standing.js";

const TREND = 60;
const REST_MS = 50; // between two drawings, at least
const REST = 4; // times as long as a drawing took: with hundreds of releases it takes a while, and each is news every second

/** The page of all releases; ends with `stop()`. */
export class ReleasesPage {
  #items = new Map();
  #wanted = "";
  #phase = "";
  #isLoaded = false;
  #drawing = 0;
  #restsUntilMs = 0;

  constructor(root, page) {
    Object.assign(this, { root, page, title: "Releases" });
    this.timer = setInterval(() => this.#draw(), 1000);
    this.#load().catch((error) => this.page.failed(error));
    this.stream = follow("/events", {
      onEvent: (kind, item) => kind === "release" && this.#take(item),
      onState: (state) => this.#heard(state),
    });
  }

  stop() {
    clearInterval(this.timer);
    clearTimeout(this.#drawing);
    this.stream.stop();
  }

  retry() {
    this.stream.retry();
  }

  async #load() {
    const { items } = await get("/releases");
    this.#items = new Map(items.map((item) => [item.name, item]));
    this.#isLoaded = true;
    this.#draw();
  }

  #heard(state) {
    this.page.connection(state);
    if (state.state === "live") this.#load().catch((error) => this.page.failed(error)); // with what happened meanwhile
  }

  #take(item) {
    const known = this.#items.get(item.name);
    const trend = [...(known?.trend ?? []), [item.time_ms, item.weights]];
    if (known && idOf(known) === idOf(item)) trend.pop();
    this.#items.set(item.name, { ...known, ...item, trend: trend.slice(-TREND) });
    this.#draw();
  }

  /** Draws soon, once for all that is asked for until then. */
  #draw() {
    if (this.#drawing || !this.#isLoaded) return;
    this.#drawing = setTimeout(() => {
      this.#drawing = 0;
      const beganMs = performance.now();
      this.#drawNow();
      const endedMs = performance.now();
      this.#restsUntilMs = endedMs + Math.max(REST_MS, REST * (endedMs - beganMs));
    }, this.#restsUntilMs - performance.now());
  }

  #drawNow() {
    const all = [...this.#items.values()].sort((one, other) => one.name.localeCompare(other.name));
    const shown = all.filter(
      (item) =>
        `${item.name} ${item.service}`.includes(this.#wanted) && (!this.#phase || phaseOf(item)[0] === this.#phase),
    );
    patch(
      this.root,
      el(
        "div.page-head",
        {},
        el("h1", {}, "Releases"),
        el("p.soft", {}, summary(all)),
        all.length > 1 && this.#filters(all),
      ),
      all.length
        ? this.#table(shown)
        : el(
            "div.card.hero",
            {},
            el("h2", {}, "No release yet"),
            el("p", {}, "Apply a release file, and it appears here:"),
            el("pre", {}, "trimtab apply -f examples/checkout-canary.yaml"),
          ),
    );
  }

  #filters(all) {
    const phases = Map.groupBy(all, (item) => phaseOf(item)[0]);
    return el(
      "div.filters",
      {},
      el("input", {
        type: "search",
        placeholder: "Name or service",
        "aria-label": "Filter by name or service",
        oninput: ({ target }) => {
          this.#wanted = target.value.trim();
          this.#draw();
        },
      }),
      el(
        "div.choice",
        { role: "group", "aria-label": "Filter by phase" },
        [["", all.length], ...[...phases].map(([name, found]) => [name, found.length])].map(([name, found]) =>
          el(
            "button",
            {
              type: "button",
              "aria-pressed": String(this.#phase === name),
              onclick: () => {
                this.#phase = name;
                this.#draw();
              },
            },
            name || "All",
            " ",
            el("small", {}, found),
          ),
        ),
      ),
    );
  }

  #table(items) {
    const heads = ["Release", "Phase", "Weights", "Lately", "Sidecars", "Newest decision"];
    return el(
      "table.releases",
      { role: "table", "data-key": "releases" },
      el("caption.hidden", {}, "Releases"),
      el(
        "thead",
        { role: "rowgroup" },
        el(
          "tr",
          { role: "row" },
          heads.map((head) => el("th", { role: "columnheader", scope: "col" }, head)),
        ),
      ),
      el(
        "tbody",
        { role: "rowgroup" },
        items.length
          ? items.map(row)
          : el(
              "tr",
              { role: "row", "data-key": "none" },
              el("td.empty", { role: "cell", colspan: heads.length }, "No release fits the filter."),
            ),
      ),
    );
  }
}

function row(item) {
  const trend = item.trend ?? [];
  const former = trend.flatMap(([, weights]) => Object.keys(weights)); // what left the file has had its share, too
  const names = ordered([...Object.keys(item.weights), ...former], item.baseline);
  const address = `#/releases/${encodeURIComponent(item.name)}`;
  return el(
    "tr",
    { role: "row", "data-key": item.name },
    el(
      "th.name",
      { role: "rowheader", scope: "row" },
      el("a", { href: address }, item.name),
      el(
        "small",
        {},
        item.service && item.service !== item.name && `${item.service} · `,
        STRATEGIES[item.strategy] ?? item.strategy,
      ),
    ),
    el("td.phase", { role: "cell" }, pill(item), item.queued_behind && el("small", {}, `behind ${item.queued_behind}`)),
    el("td.now", { role: "cell" }, weightsBar(item.weights, names, { labels: true })),
    el("td.lately", { role: "cell" }, sparkline(trend, names)),
    el(
      "td.followers",
      { role: "cell", "data-label": "Sidecars" },
      item.sidecars
        ? el(
            "span",
            {},
            count(item.sidecars),
            item.stuck ? el("b.bad", {}, ` · ✕ ${item.stuck} stuck`) : el("span.good", {}, " · ✓ in step"),
          )
        : el("span.soft", {}, "none"),
    ),
    el("td.newest", { role: "cell" }, el("span.rule", {}, waitsFor(item, item)), el("small", {}, ago(item.time_ms))),
  );
}

function summary(all) {
  const going = all.filter((item) => phaseOf(item)[0] === "Progressing").length;
  const stuck = all.reduce((sum, { stuck: some }) => sum + some, 0);
  const trouble = stuck ? `, ${stuck} ${stuck === 1 ? "sidecar" : "sidecars"} stuck` : "";
  return `${count(all.length)} in all, ${going} on the way${trouble}.`;
}
