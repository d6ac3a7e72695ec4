// What is drawn on the canvas of a chart, in the colours of the theme.

import { el } from "./dom.js";
import { phaseOf, short } from "./format.js";

const PHASE_PX = 32;
const VARIANT_PX = 16;

/** Gives a colour of the theme as a canvas understands it. */
export function paint(colour) {
  const probe = el("i", { style: { color: colour } });
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export const faded = (colour) => colour.replace("rgb(", "rgba(").replace(")", ", 0.32)");

/** Draws a line at each moment, with what happened then. */
export function drawMarks(plot, moments) {
  const [ink, ground] = [paint("var(--ink)"), paint("var(--card)")];
  const { left, width, top, height } = plot.bbox;
  for (const { decision, variant } of moments) {
    const x = Math.round(plot.valToPos(decision.time_ms / 1000, "x", true));
    if (x < left || x > left + width) continue;
    plot.ctx.save();
    drawLine(plot.ctx, x, top, height, ink);
    const [word, , sign] = variant ? [short(variant), "", "✕"] : phaseOf(decision);
    const isLate = x > left + width * 0.85;
    drawWord(plot.ctx, `${sign} ${word}`, [x, top + (variant ? VARIANT_PX : PHASE_PX) * devicePixelRatio], {
      ink,
      ground,
      isLate,
    });
    plot.ctx.restore();
  }
}

function drawLine(ctx, x, top, height, ink) {
  Object.assign(ctx, { strokeStyle: ink, lineWidth: devicePixelRatio, globalAlpha: 0.75 });
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.stroke();
}

function drawWord(ctx, word, [x, y], { ink, ground, isLate }) {
  Object.assign(ctx, { fillStyle: ink, strokeStyle: ground, lineWidth: 4 * devicePixelRatio, lineJoin: "round" });
  Object.assign(ctx, { globalAlpha: 1, font: `600 ${11 * devicePixelRatio}px Inter, sans-serif` });
  ctx.textAlign = isLate ? "right" : "left";
  ctx.setLineDash([]);
  const at = x + (isLate ? -5 : 5) * devicePixelRatio;
  ctx.strokeText(word, at, y); // a halo, for the lines of the chart run beneath
  ctx.fillText(word, at, y);
}
