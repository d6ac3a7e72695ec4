// Who changed what, of all releases and of the catalogue, newest first.

import { get } from "./api.js";
import { audit } from "./audit.js";
import { el, patch } from "./dom.js";
import { count } from "./format.js";

const PAGE = 50;

/** The page of the audit log; it is read when asked for, and does not follow. */
export class AuditPage {
  #items = [];
  #next = null;
  #wanted = "";

  constructor(root, page) {
    Object.assign(this, { root, page, title: "Audit" });
    this.#load();
  }

  stop() {}

  async #load(before = "") {
    try {
      const { items, next } = await get(`/audit?limit=${PAGE}${before && `&before=${before}`}`);
      this.#items = before ? [...this.#items, ...items] : items;
      this.#next = next;
      this.page.connection({ state: "read" });
      this.#draw();
    } catch (error) {
      this.page.failed(error);
    }
  }

  #draw() {
    const shown = this.#items.filter((item) => words(item).includes(this.#wanted.toLowerCase()));
    patch(
      this.root,
      el(
        "div.page-head",
        {},
        el("h1", {}, "Audit"),
        el("p.soft", {}, summary(this.#items.length, this.#next)),
        el(
          "div.filters",
          {},
          el("input", {
            type: "search",
            placeholder: "Who, what or why",
            "aria-label": "Filter by who, what or why",
            oninput: ({ target }) => {
              this.#wanted = target.value.trim();
              this.#draw();
            },
          }),
          el("button", { type: "button", onclick: () => this.#load() }, "Read again"),
        ),
      ),
      el(
        "section.card",
        { "aria-label": "Changes" },
        shown.length || !this.#items.length
          ? audit(shown, { everywhere: true })
          : el("p.empty", {}, "No change that was read fits the filter."),
        this.#next && el("button", { type: "button", onclick: () => this.#load(this.#next) }, "Older"),
      ),
    );
  }
}

function summary(number, next) {
  if (!number) return "";
  return `${count(number)} ${number === 1 ? "change" : "changes"}, newest first${next ? "; there are older ones" : ""}.`;
}

const words = ({ actor, release, subject, action, reason, detail, outcome, source }) =>
  [actor, release, subject, action, reason, detail, outcome, source].join(" ").toLowerCase();
