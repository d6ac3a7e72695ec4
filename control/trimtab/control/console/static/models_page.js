// The models' catalogue: what there is, what each rests on, and which one would be chosen.

import { get } from "./api.js";
import { el, patch } from "./dom.js";
import { clock, count, iso, milliseconds, number } from "./format.js";

/** The page of all models; it is read when asked for, and does not follow. */
export class ModelsPage {
  #items = null;
  #choice = null;
  #problem = "";
  #where = ""; // the query that what is shown fits

  constructor(root, page) {
    Object.assign(this, { root, page, title: "Models" });
    this.#ask("", "").catch((error) => this.page.failed(error));
  }

  stop() {}

  async #ask(where, prefer) {
    const asked = new URLSearchParams({ ...(where && { where }) });
    const { items } = await get(`/models?${asked}`);
    if (prefer) asked.set("prefer", prefer);
    this.#choice = prefer || where ? await get(`/models/choice?${asked}`) : null;
    this.#items = items;
    this.#where = where;
    this.#problem = "";
    this.page.connection({ state: "read" });
    this.#draw();
  }

  #draw() {
    patch(
      this.root,
      el("div.page-head", {}, el("h1", {}, "Models"), el("p.soft", {}, `${count(this.#items.length)} ${this.#where ? "of those in the catalogue fit" : "in the catalogue"}.`)),
      el(
        "form.card.choosing",
        {
          onsubmit: (event) => {
            event.preventDefault();
            const { where, prefer } = event.target;
            this.#ask(where.value.trim(), prefer.value.trim()).catch((error) => {
              this.#problem = error.message;
              this.#draw();
            });
          },
        },
        el("label", {}, "Which", field("where", "blessed and accuracy > 0.95")),
        el("label", {}, "The best by", field("prefer", "accuracy,p99_ms or accuracy=0.7,cost=0.3")),
        el("button.primary", { type: "submit" }, "Choose"),
        this.#problem && el("p.bad", { role: "alert" }, this.#problem),
        this.#choice && chosen(this.#choice),
      ),
      this.#items.length
        ? el("ul.models", { "aria-label": "Models" }, this.#items.map(card))
        : el("p.empty", {}, "No model fits."),
    );
  }
}

const field = (name, placeholder) => el("input", { name, placeholder, spellcheck: "false", autocomplete: "off" });

function chosen({ chosen: ref, front, matched, considered, exclusions, why_none: none }) {
  return el(
    "div",
    { "aria-live": "polite", "data-key": "chosen" },
    el("p", {}, ref ? ["Chosen: ", link(ref)] : none, ` · ${count(matched)} of ${count(considered)} fit.`),
    front.length > 1 && el("p.soft", {}, "Beside it: ", front.slice(1).map((one) => [link(one.ref), " "])),
    exclusions.map((one) =>
      el("small", { "data-key": one.constraint }, `${one.constraint} excludes ${count(one.excluded)}`, el("br")),
    ),
  );
}

const link = (ref) => el("a", { href: `#/models/${encodeURIComponent(ref)}` }, ref.replace(/^model\//, ""));

function card(item) {
  const { status, aliases = [], environment = [], performance = [] } = item;
  return el(
    "li.card",
    { "data-key": status.ref },
    el(
      "div.card-head",
      {},
      el("b", {}, link(status.ref)),
      el(
        "span",
        {},
        aliases.map((name) => [el("span.tag", {}, name), " "]),
        item.blessed && el("span.tag.good", {}, "✓ blessed"),
        status.revoked && el("span.tag.bad", {}, "✕ revoked"),
      ),
    ),
    item.description && el("p.soft", {}, item.description),
    el("p", {}, performance.map(figure).join(" · ") || "No figures."),
    environment.length > 0 && el("small", {}, environment.join(", ")),
    status.revoked && revoked(status.revoked),
  );
}

const named = ({ metric, segment }) => metric.replace(/_ms$/, "") + (segment ? ` of ${segment}` : "");

const valued = ({ metric, value }) => (metric.endsWith("_ms") ? milliseconds(value) : number(value));

const figure = (one) => `${named(one)} ${valued(one)}`;

const revoked = ({ reason, actor, timeS }) =>
  el("p.bad", {}, `Revoked by ${actor || "nobody named"}, ${clock(timeS * 1000)}: ${reason}`);

/** The page of one node, with what it rests on and what rests on it. */
export class ModelPage {
  constructor(root, page, ref) {
    Object.assign(this, { root, page, title: ref });
    this.#load(ref).catch((error) => this.page.failed(error));
  }

  stop() {}

  async #load(ref) {
    const [kind, ...name] = ref.split("/");
    const path = `/models/${kind}/${encodeURIComponent(name.join("/"))}`;
    const [item, down, up] = await Promise.all([
      get(path),
      get(`${path}/lineage?direction=down`),
      get(`${path}/lineage?direction=up`),
    ]);
    this.page.connection({ state: "read" });
    patch(
      this.root,
      el("div.page-head", {}, el("h1", {}, ref)),
      el(
        "section.card",
        { "aria-label": "What is known of it" },
        item.status.revoked && revoked(item.status.revoked),
        el("dl.known", {}, facts(item)),
        figures(item.performance),
      ),
      lineage("What it rests on", down, "It rests on nothing that the catalogue knows."),
      lineage("What rests on it", up, "Nothing that the catalogue knows rests on it."),
    );
  }
}

const HIDDEN = ["performance", "status", "restsOn"];

const facts = (item) =>
  Object.entries(item)
    .filter(([name]) => !HIDDEN.includes(name))
    .map(([name, value]) => [el("dt", {}, name), el("dd", {}, typeof value === "object" ? flat(value) : String(value))]);

const flat = (value) => (Array.isArray(value) ? value.join(", ") : JSON.stringify(value));

function figures(performance = []) {
  if (!performance.length) return null;
  return el(
    "table",
    {},
    el("caption.hidden", {}, "Newest figures"),
    el("thead", {}, el("tr", {}, ["Metric", "Value", "Measured"].map((head) => el("th", { scope: "col" }, head)))),
    el(
      "tbody",
      {},
      performance.map((one) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, named(one)),
          el("td", {}, valued(one)),
          el("td", {}, el("time", { datetime: iso(one.timeS * 1000) }, clock(one.timeS * 1000))),
        ),
      ),
    ),
  );
}

function lineage(title, { nodes }, none) {
  const others = nodes.filter(({ depth }) => depth > 0);
  return el(
    "section.card",
    {},
    el("h2", {}, title),
    others.length
      ? el(
          "ul.sidecars",
          {},
          others.map((one) =>
            el(
              "li",
              { "data-key": one.ref },
              el("span", {}, link(one.ref), " ", one.revoked && el("span.tag.bad", {}, "✕ revoked")),
              el("small", {}, `${one.depth} ${one.depth === 1 ? "step" : "steps"} away`),
            ),
          ),
        )
      : el("p.soft", {}, none),
  );
}
