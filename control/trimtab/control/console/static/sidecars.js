// What each proxy really does: the revision in force, the one offered, and why one was refused.

import { el } from "./dom.js";
import { ago, byId, count, share } from "./format.js";

const GRACE_MS = 2000;

/** Gives the sidecars of a release, and how far apart their revisions are. */
export function sidecars(reports, track) {
  if (!reports.length)
    return el("p.empty", {}, "No proxy reports on this release. Services that pick variants themselves do not.");
  const told = toldOf(track.newest);
  const inStep = reports.filter((report) => !isStuck(report, told) && isInStep(report, track)).length;
  const revisions = reports.map(({ in_force: [, revision] }) => revision);
  const spread = Math.max(...revisions) - Math.min(...revisions);
  return [
    el(
      "p.note",
      {},
      `${inStep} of ${reports.length} in step`,
      spread > 0 && `, ${count(spread)} offsets between the first and the last`,
      ".",
    ),
    el(
      "ul.sidecars",
      {},
      reports.map((report) =>
        el(
          "li",
          { "data-key": report.sidecar },
          head(report, track, told),
          report.stale && el("p.bad", {}, `Nobody has stood behind its weights for ${Math.round(report.age_s ?? 0)} s.`),
          report.refused && el("p.bad", {}, el("b", {}, `Refuses ${report.offered[1]}: `), report.refused),
          el(
            "small",
            {},
            `in force ${report.in_force[1]} · offered ${report.offered[1]} · ${count(report.events)} events`,
            report.dropped > 0 && `, ${count(report.dropped)} dropped`,
          ),
          shares(report.shares) && el("small", {}, `really gives ${shares(report.shares)}`),
        ),
      ),
    ),
  ];
}

/** Gives the sidecars that the newest decision knows not to follow. */
const toldOf = ({ divergences = [] } = {}) =>
  new Set(divergences.filter(({ kind }) => kind === "stuck" || kind === "refused").map(({ sidecar }) => sidecar));

/** Whether a list counts a sidecar as stuck, as the API does. */
const isStuck = (report, told) => Boolean(report.refused) || report.stale || told.has(report.sidecar);

function head(report, track, told) {
  const [tone, word] = report.refused
    ? ["bad", "✕ refuses"]
    : report.stale
      ? ["bad", "✕ stale"]
      : told.has(report.sidecar)
        ? ["bad", "✕ stuck"]
        : isInStep(report, track)
          ? ["good", "✓ in step"]
          : ["held", "… behind"];
  return el(
    "div.card-head",
    {},
    el("span", {}, el("b", {}, report.sidecar), " ", el("small", {}, report.proxy)),
    el("span", {}, el("small", {}, ago(report.time_ms)), " ", el(`span.tag.${tone}`, {}, word)),
  );
}

/** Whether a proxy had the newest revision when it reported, but for what was decided a moment before that. */
function isInStep({ in_force: [era, revision], time_ms: time }, { decisions }) {
  const due = decisions.findLast((decision) => decision.time_ms <= time - GRACE_MS);
  return !due || byId({ era, revision }, due) >= 0;
}

const shares = (found) =>
  Object.entries(found ?? {})
    .map(([name, points]) => `${name} ${share(points)}`)
    .join(", ");
