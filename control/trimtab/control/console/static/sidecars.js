// What each proxy really does: the revision in force, the one offered, and why one was refused.

import { el } from "./dom.js";
import { ago, count, share } from "./format.js";

/** Gives the sidecars of a release, and how far apart their revisions are. */
export function sidecars(reports, decision) {
  if (!reports.length) return el("p.empty", {}, "No proxy reports on this release. Services that pick variants themselves do not.");
  const onNewest = reports.filter((report) => same(report.in_force, decision)).length;
  const revisions = reports.map(({ in_force: [, revision] }) => revision);
  const spread = Math.max(...revisions) - Math.min(...revisions);
  return [
    el("p.note", {}, `${onNewest} of ${reports.length} on the newest revision${spread ? `, ${count(spread)} offsets between the first and the last` : ""}.`),
    el("ul.sidecars", {}, reports.map((report) => el("li", { "data-key": report.sidecar }, head(report, decision),
      report.refused && el("p.bad", {}, el("b", {}, `Refuses ${report.offered[1]}: `), report.refused),
      el("small", {}, `in force ${report.in_force[1]} · offered ${report.offered[1]} · ${count(report.events)} events${report.dropped ? `, ${count(report.dropped)} dropped` : ""}`),
      shares(report.shares) && el("small", {}, `really gives ${shares(report.shares)}`)))),
  ];
}

function head(report, decision) {
  const [tone, word] = report.refused ? ["bad", "✕ refuses"] : same(report.in_force, decision) ? ["good", "✓ newest"] : ["held", "… behind"];
  return el("div.card-head", {}, el("span", {}, el("b", {}, report.sidecar), " ", el("small", {}, report.proxy)), el("span", {}, el("small", {}, ago(report.time_ms)), " ", el(`span.tag.${tone}`, {}, word)));
}

const same = ([era, revision], decision) => era === decision.era && revision === decision.revision;

const shares = (found) => Object.entries(found ?? {}).map(([name, points]) => `${name} ${share(points)}`).join(", ");
