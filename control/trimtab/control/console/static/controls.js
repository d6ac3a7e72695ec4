// The orders that a person may give, each with a dialog that says what will come of it.

import { freshKey, post } from "./api.js";
import { el, patch } from "./dom.js";
import { isOver, share } from "./format.js";

const ORDERS = {
  confirm: {
    word: "Confirm",
    does: ({ awaits }) => `${awaits} is promoted when it is its time, without an answer of its hook.`,
  },
  pause: { word: "Pause", does: () => "Weights stay where they are until it is resumed. Guardrails stay on guard." },
  resume: { word: "Resume", does: () => "The release goes on from where it stands." },
  promote: {
    word: "Promote",
    does: ({ strategy }) =>
      ["canary", "blueGreen"].includes(strategy)
        ? "The release goes one step further, without waiting for its gate."
        : "The best variant takes all traffic. It is over then.",
  },
  full: {
    word: "Promote fully",
    action: "promote",
    grave: true,
    does: () => "One variant takes all traffic at once. It is over then.",
  },
  "set-weights": { word: "Set weights", grave: true, does: () => "The release is paused with these weights." },
  exclude: {
    word: "Exclude",
    grave: true,
    does: (_, baseline) => `What one variant has goes to ${baseline} at once; it takes no traffic until a retry.`,
  },
  retry: {
    word: "Retry",
    grave: true,
    does: () => "It begins anew with the same file: evidence, exclusions and steps.",
  },
  freeze: {
    word: "Freeze",
    grave: true,
    does: () => "Weights are held whatever happens, guardrails included, until it is resumed.",
  },
  abort: {
    word: "Abort",
    grave: true,
    danger: true,
    does: (_, baseline) => `All traffic goes back to ${baseline} at once, and for good.`,
  },
};

/** Gives the names of the orders that make sense in this phase. */
function fitting(decision, baseline) {
  const some = excludable(decision, baseline).length ? ["exclude"] : [];
  if (isOver(decision)) return [...some, "retry"];
  if (decision.queued_behind) return ["abort"];
  const held = ["paused", "frozen"].includes(decision.phase);
  return [
    ...(decision.awaits ? ["confirm"] : []),
    held ? "resume" : "pause",
    "promote",
    "full",
    "set-weights",
    ...(decision.phase === "frozen" ? [] : ["freeze"]),
    ...some,
    "retry",
    "abort",
  ];
}

/** Gives the variants that may be excluded: of a release that is over, those that still have traffic. */
function excludable(decision, baseline) {
  const fit = decision.arms.filter(({ variant, excluded }) => variant !== baseline && !excluded);
  return fit.filter(({ weight }) => weight > 0 || !isOver(decision)).map(({ variant }) => variant);
}

/** Gives the row of buttons; for viewers, why there is none. */
export function controls(release, session) {
  if (session.role === "viewer")
    return el(
      "p.note.viewer",
      {},
      `You are signed in as a viewer${session.actor ? ` (${session.actor})` : ""}: steering takes the role operator.`,
    );
  return el(
    "div.controls",
    { role: "group", "aria-label": "Steer this release" },
    fitting(release.decision, release.baseline).map((name) => {
      const { word, danger } = ORDERS[name];
      return el(
        "button",
        {
          type: "button",
          "data-order": name,
          class: danger ? "danger" : name === "promote" || name === "resume" ? "primary" : undefined,
          onclick: () => ask(name, release),
        },
        word,
      );
    }),
  );
}

function ask(name, release) {
  const { decision, baseline, names } = release;
  const order = ORDERS[name];
  const dialog = document.getElementById("dialog");
  const key = freshKey(); // of this dialog: a second click is the same order
  const problem = el("p.bad", { role: "alert" });
  const reason = el("textarea", {
    name: "reason",
    rows: "2",
    maxlength: "500",
    required: order.grave,
    "aria-describedby": "dialog-why",
  });
  const submit = el("button", { type: "submit", class: order.danger ? "danger solid" : "primary" }, order.word);
  const form = el(
    "form",
    {
      method: "dialog",
      onsubmit: (event) => {
        event.preventDefault();
        send(event.target);
      },
    },
    el("h2", { id: "dialog-title" }, `${order.word}: ${decision.release}`),
    el("p", {}, order.does(decision, baseline)),
    name === "full" && variantField(names, el("option", { value: "" }, "the best")),
    name === "exclude" && variantField(excludable(decision, baseline)),
    name === "set-weights" && weightFields(decision, names, submit),
    el("label", {}, order.grave ? "Why (required)" : "Why", reason),
    el("small", { id: "dialog-why" }, "It stands in the decision and in the audit, for those who come later."),
    problem,
    el("div.dialog-buttons", {}, el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), submit),
  );
  const send = async (sent) => {
    if (order.grave && !reason.value.trim()) return patch(problem, "Say why: others will want to know.");
    submit.disabled = true;
    try {
      const answer = await post(`/releases/${encodeURIComponent(decision.release)}/commands`, body(name, sent, decision), {
        "idempotency-key": key,
      });
      dialog.close();
      release.onordered(answer.decision ? `${order.word}: done.` : `${order.word}: ${answer.detail}`);
    } catch (error) {
      patch(problem, error.message);
    }
    submit.disabled = false;
  };
  patch(dialog);
  dialog.append(form);
  dialog.showModal();
  (form.querySelector("select, input") ?? reason).focus();
}

function body(name, form, { awaits }) {
  const fields = new FormData(form);
  const reason = fields.get("reason").trim();
  const action = ORDERS[name].action ?? name;
  if (name === "full")
    return { action, reason, full: true, ...(fields.get("variant") && { variant: fields.get("variant") }) };
  if (name === "set-weights") return { action, reason, weights: Object.fromEntries(points(form)) };
  if (name === "exclude") return { action, reason, variant: fields.get("variant") };
  if (name === "confirm") return { action, reason, variant: awaits };
  return { action, reason };
}

function variantField(names, ...first) {
  const options = names.map((one) => el("option", { value: one }, one));
  return el("label", {}, "Which variant", el("select", { name: "variant" }, first, options));
}

const points = (form) =>
  [...form.querySelectorAll("input[data-variant]")].map((input) => [
    input.dataset.variant,
    Math.round(Number(input.value) * 100),
  ]);

function weightFields(decision, names, submit) {
  const sum = el("output", { role: "status" });
  const check = ({ target }) => {
    const total = points(target.form).reduce((found, [, one]) => found + one, 0);
    submit.disabled = total !== 10000;
    patch(sum, total === 10000 ? "together 100%" : `together ${share(total)}, expected 100%`);
  };
  return el(
    "fieldset",
    { oninput: check },
    el("legend", {}, "Shares of the traffic, in percent"),
    names.map((name) =>
      el(
        "label.inline",
        {},
        name,
        el("input", {
          type: "number",
          min: "0",
          max: "100",
          step: "0.01",
          required: true,
          "data-variant": name,
          value: String((decision.weights[name] ?? 0) / 100),
        }),
      ),
    ),
    sum,
  );
}
