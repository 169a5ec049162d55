/* Draws what the page already says in words. Everything is read from the document, so each swap of a part
   redraws what depends on it. */
"use strict";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const redraws = [];  // what to do after a part of the page was renewed

/* ---- chart ---- */

let plot = null;
let shown = "";

/* Ticks say the time of day within two days, with its day within a week, the day within a year, then the month. */
function formats(zone, seconds) {
  const language = document.documentElement.lang;
  const make = (options) => new Intl.DateTimeFormat(language, { timeZone: zone, ...options });
  const tick = seconds <= 2 * 86400 ? make({ hour: "2-digit", minute: "2-digit" })
    : seconds <= 9 * 86400 ? make({ weekday: "short", hour: "2-digit", minute: "2-digit" })
    : seconds <= 400 * 86400 ? make({ day: "numeric", month: "short" })
      : make({ month: "short", year: "numeric" });
  return { tick, full: make({ day: "numeric", month: "short", year: seconds > 300 * 86400 ? "numeric" : undefined, hour: "2-digit", minute: "2-digit" }) };
}

function chartOptions(source, width, span, lines) {
  const language = document.documentElement.lang;
  const format = formats(source.zone, span[1] - span[0]);
  const decimal = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const number = (value) => (value == null ? "–" : `${decimal.format(value)} ${source.unit}`);
  const axis = { stroke: css("--ink"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
  const series = [{ label: source.time, value: (u, seconds) => (seconds == null ? "–" : format.full.format(seconds * 1000)) }];
  const bands = [];
  lines.forEach((line, i) => {
    const stroke = i ? css("--line" + i) : css("--link");
    series.push({ label: line.label, stroke, width: 2, dash: dashes[i % 4], value: (u, value) => number(value), points: { size: 4 } });
    if (line.columns === 1) return;
    series.push({ label: source.doubtful, stroke: css("--suspect"), paths: () => null, points: { show: true, size: 9, width: 2, fill: css("--card") }, value: (u, value) => number(value) });
    if (line.columns === 2) return;
    const at = series.length;
    for (const label of [source.least, source.most]) series.push({ label, stroke: "transparent", width: 0, points: { show: false }, value: (u, value) => number(value) });
    bands.push({ series: [at + 1, at], fill: css("--band") });
  });
  return {
    width,
    height: Number(source.height || 240),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), source.zone),
    scales: { x: { range: () => span }, y: { range: (u, low, high) => (low == null ? [0, 1] : uPlot.rangeNum(low, high, 0.1, true)) } },
    axes: [
      { ...axis, values: (u, ticks) => ticks.map((tick) => format.tick.format(tick * 1000)) },
      { ...axis, size: 56, values: (u, ticks) => ticks.map((tick) => decimal.format(tick)) },
    ],
    series,
    bands,
    hooks: { drawClear: [(u) => drawNotes(u, JSON.parse(source.notes || "[]"))] },
  };
}

/* A note shades the time that it means; its number is that of the list below the chart. */
function drawNotes(u, notes) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  for (const note of notes) {
    const left = u.valToPos(note.from, "x", true);
    const width = Math.max(2 * devicePixelRatio, u.valToPos(note.to, "x", true) - left);
    ctx.fillStyle = css("--wash");
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.fillStyle = css("--suspect");
    ctx.fillRect(left, bbox.top, Math.max(width, 3 * devicePixelRatio), 3 * devicePixelRatio);
    ctx.fillText(note.n, Math.min(left + 3 * devicePixelRatio, bbox.left + bbox.width - 20 * devicePixelRatio), bbox.top + 16 * devicePixelRatio);
  }
  ctx.restore();
  u.root.dataset.notes = String(notes.length);
}

async function answerOf(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return answer.json();
}

async function drawChart() {
  const element = document.getElementById("chart");
  const source = document.getElementById("chart-source")?.dataset;
  if (!source || !element || !window.uPlot) return;
  const width = Math.max(200, Math.floor(element.parentElement.clientWidth - (element.dataset.inset ?? 0)));
  const state = [source.url, source.newest, source.others, source.notes, width, css("--ink")].join(" ");
  if (state === shown && element.firstChild) return;
  shown = state;
  try {
    const others = JSON.parse(source.others || "[]");  // [{label, url}]
    const points = Math.min(4000, width);
    const [first, ...rest] = await Promise.all([source.url, ...others.map((one) => one.url)].map((url) => answerOf(`${url}&points=${points}`)));
    if (state !== shown || !element.isConnected) return;
    const hasBand = first.step_s > 0 && !rest.length;
    const lines = [{ label: source.label, columns: rest.length ? 1 : hasBand ? 4 : 2 }, ...others.map((one) => ({ label: one.label, columns: 1 }))];
    const own = rest.length ? [first.t, first.v] : hasBand ? [first.t, first.v, first.d, first.lo, first.hi] : [first.t, first.v, first.d];
    const data = rest.length ? uPlot.join([own, ...rest.map((one) => [one.t, one.v])]) : own;
    plot?.destroy();
    element.hidden = false;
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", `${source.label}. ${source.describe}`);
    const [from, to] = [Date.parse(first.from) / 1000, Date.parse(first.to) / 1000];
    const begin = source.whole ? from : Math.max(from, Math.min(first.t[0] ?? to, to - 3600));
    plot = new uPlot(chartOptions(source, width, [begin, to], lines), data, element);
    element.dataset.points = String(first.t.length);
    element.dataset.step = String(first.step_s);
  } catch (error) {
    shown = "";  // the next turn tries again; the table stays
  }
}

/* ---- connection ---- */

/* Ages that no longer move would look like facts: say so when renewing fails for three turns. */
function watchConnection() {
  const notice = document.getElementById("away");
  if (!notice || !window.htmx) return;
  const patience = Math.max(3 * Number(notice.dataset.refresh), 5) * 1000;
  let renewed = performance.now();
  const tell = (text) => { if (notice.textContent !== text) notice.textContent = text; };
  document.addEventListener("htmx:after:swap", (event) => {
    if (!event.detail.ctx?.response?.raw?.ok) return;
    renewed = performance.now();
    tell("");
  });
  setInterval(() => {
    if (document.hidden) renewed = performance.now();  // a browser lets hidden pages rest
    else if (performance.now() - renewed > patience) tell(notice.dataset.text);
  }, 1000);
}

/* ---- start ---- */

document.addEventListener("DOMContentLoaded", () => {
  drawChart();
  watchConnection();
  redraws.push(drawChart);
  const main = document.getElementById("main");
  let waiting = false;
  new MutationObserver((changes) => {
    const own = changes.every((change) => change.target.closest?.("#map, #chart"));
    if (own || waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      for (const redraw of redraws) redraw();
    });
  }).observe(main, { subtree: true, childList: true, attributes: true, characterData: true });
  window.addEventListener("resize", drawChart);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawChart);
});
