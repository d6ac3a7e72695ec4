// What is drawn on the canvas of a chart, in the colours of the theme.

import { el } from "./dom.js";
import { phaseOf, short } from "./format.js";

const ROW_PX = 16;
const ROWS = 4;
const APART_PX = 6;

/** Gives a colour of the theme as a canvas understands it. */
export function paint(colour) {
  const probe = el("i", { style: { color: colour } });
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export const faded = (colour) => colour.replace("rgb(", "rgba(").replace(")", ", 0.32)");

/** Draws a line at each moment, with what happened then; words never lie over one another. */
export function drawMarks(plot, moments) {
  const [ink, ground] = [paint("var(--ink)"), paint("var(--card)")];
  const { left, width, top, height } = plot.bbox;
  const { ctx } = plot;
  ctx.save();
  ctx.font = `600 ${11 * devicePixelRatio}px Inter, sans-serif`;
  const marks = moments
    .map((moment) => ({ word: wordOf(moment), x: Math.round(plot.valToPos(moment.decision.time_ms / 1000, "x", true)) }))
    .filter(({ x }) => x >= left && x <= left + width);
  for (const { x } of marks) drawLine(ctx, x, top, height, ink);
  const words = marks.map(({ word, x }) => {
    const size = ctx.measureText(word).width;
    const at = x + 5 * devicePixelRatio;
    return { word, from: at + size > left + width ? x - 5 * devicePixelRatio - size : at, size };
  });
  const rows = rowsOf(words, APART_PX * devicePixelRatio);
  words.forEach(({ word, from }, i) => {
    if (rows[i] >= 0) drawWord(ctx, word, [from, top + (rows[i] + 1) * ROW_PX * devicePixelRatio], ink, ground);
  });
  ctx.restore();
}

function wordOf({ decision, variant }) {
  const [word, , sign] = variant ? [short(variant), "", "✕"] : phaseOf(decision);
  return `${sign} ${word}`;
}

/** Gives the row of each word, the topmost that has room, the newest served first; -1: there is no room for it. */
export function rowsOf(words, apart) {
  const taken = Array.from({ length: ROWS }, () => []);
  const found = new Array(words.length).fill(-1);
  for (let i = words.length - 1; i >= 0; i -= 1) {
    const [from, to] = [words[i].from - apart, words[i].from + words[i].size + apart];
    found[i] = taken.findIndex((spans) => spans.every(([start, end]) => to <= start || from >= end));
    if (found[i] >= 0) taken[found[i]].push([words[i].from, words[i].from + words[i].size]);
  }
  return found;
}

function drawLine(ctx, x, top, height, ink) {
  Object.assign(ctx, { strokeStyle: ink, lineWidth: devicePixelRatio, globalAlpha: 0.75 });
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.stroke();
}

function drawWord(ctx, word, [x, y], ink, ground) {
  Object.assign(ctx, { fillStyle: ink, strokeStyle: ground, lineWidth: 4 * devicePixelRatio, lineJoin: "round" });
  Object.assign(ctx, { globalAlpha: 1, textAlign: "left" });
  ctx.setLineDash([]);
  ctx.strokeText(word, x, y); // a halo, for the lines of the chart run beneath
  ctx.fillText(word, x, y);
}
