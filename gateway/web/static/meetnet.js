/* Draws what the page already says in words: the map follows the table of sites, the chart follows the
   chosen series. Everything is read from the document, so each swap of a part redraws what depends on it. */
"use strict";

const GLYPHS = "http://www.w3.org/2000/svg";
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* ---- map ---- */

let map = null;
let marks = null;

function sitesInTable() {
  return [...document.querySelectorAll("#sites tr[data-site]")].map((row) => ({
    id: row.dataset.site,
    name: row.dataset.name,
    kind: row.dataset.kind,
    grade: row.dataset.grade,
    at: [Number(row.dataset.lat), Number(row.dataset.lon)],
    text: row.querySelector("[data-value]")?.textContent ?? "–",
    unit: row.querySelector(".unit")?.textContent ?? "",
    words: row.cells[2].textContent.trim().replace(/\s+/g, " "),
    link: row.querySelector("a"),
    chosen: row.dataset.site === document.getElementById("site")?.dataset.site,
  }));
}

function startMap() {
  const element = document.getElementById("map");
  if (!element || !window.L) return;
  element.hidden = false;
  map = L.map(element, { zoomControl: false, attributionControl: Boolean(element.dataset.tiles), maxZoom: 19, zoomSnap: 0.25 });
  L.control.zoom({ zoomInTitle: element.dataset.in, zoomOutTitle: element.dataset.out }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  if (element.dataset.tiles) {
    L.tileLayer(element.dataset.tiles, { attribution: element.dataset.attribution, maxZoom: 19 }).addTo(map);
  } else if (element.dataset.outlines) {
    fetch(element.dataset.outlines)
      .then((answer) => answer.json())
      .then((lines) => L.geoJSON(lines, {
        interactive: false,
        style: (line) => ({ className: "outline", weight: line.properties.width ?? 2, color: css("--road") }),
      }).addTo(map));
  }
  const sites = sitesInTable();
  if (sites.length) map.fitBounds(L.latLngBounds(sites.map((site) => site.at)).pad(0.25), { maxZoom: 17, animate: false });
  else map.setView([51.05, 3.72], 14);
  marks = L.layerGroup().addTo(map);  // after the view is set: only then has a mark an element
  map.on("zoomend", () => drawSites(true));
  drawSites(true);
}

/* Sites in one grid cell share a public position: marks that cover one another are pushed apart, in pixels,
   and a line leads back to the place. */
const BOX = [84, 42];

function pushApart(sites) {
  sites.forEach((site, i) => {
    const place = map.latLngToLayerPoint(site.at);
    // A small start in different directions, always the same, so that equal places part.
    site.place = place;
    site.shifted = L.point(place.x + Math.cos(i * 2.4), place.y + Math.sin(i * 2.4));
  });
  for (let turn = 0; turn < 80; turn++) {
    let moved = false;
    for (let i = 0; i < sites.length; i++) {
      for (let j = i + 1; j < sites.length; j++) {
        const [a, b] = [sites[i].shifted, sites[j].shifted];
        const over = [BOX[0] - Math.abs(a.x - b.x), BOX[1] - Math.abs(a.y - b.y)];
        if (over[0] <= 0 || over[1] <= 0) continue;
        moved = true;
        const axis = over[0] / BOX[0] < over[1] / BOX[1] ? "x" : "y";
        const step = (axis === "x" ? over[0] : over[1]) / 2 + 0.5;
        const sign = a[axis] < b[axis] ? 1 : -1;
        a[axis] -= sign * step;
        b[axis] += sign * step;
      }
    }
    if (!moved) break;
  }
}

function markOf(site) {
  const mark = document.createElement("div");
  mark.className = "mark" + (site.chosen ? " chosen" : "");
  const glyph = document.createElementNS(GLYPHS, "svg");
  glyph.setAttribute("class", "glyph " + site.grade);
  const use = document.createElementNS(GLYPHS, "use");
  use.setAttribute("href", "#glyph-" + site.grade);
  glyph.append(use);
  const number = document.createElement("span");
  number.className = "number";
  number.textContent = (site.text + " " + site.unit).trim();
  mark.append(glyph, number);
  return mark;
}

let drawn = "";

function drawSites(always) {
  if (!map) return;
  const sites = sitesInTable();
  const state = JSON.stringify(sites, (key, value) => (key === "link" || key === "words" ? undefined : value));
  if (state === drawn && !always) return;
  drawn = state;
  pushApart(sites);
  const focused = document.activeElement?.closest?.(".leaflet-marker-icon")?.dataset.site;
  marks.clearLayers();
  for (const site of sites) {
    const at = map.layerPointToLatLng(site.shifted);
    if (site.shifted.distanceTo(site.place) > 6) {
      L.polyline([site.at, at], { interactive: false, color: css("--ink"), weight: 1 }).addTo(marks);
      L.circleMarker(site.at, { interactive: false, color: css("--ink"), radius: 2, weight: 2 }).addTo(marks);
    }
    const icon = L.divIcon({ html: markOf(site), className: "", iconSize: [88, 42], iconAnchor: [44, 12] });
    const marker = L.marker(at, { icon, keyboard: true }).addTo(marks);
    const element = marker.getElement();
    element.dataset.site = site.id;
    element.setAttribute("aria-label", `${site.name}: ${site.text} ${site.unit}, ${site.words}`);
    marker.on("click keypress", (event) => {
      if (event.type === "keypress" && event.originalEvent.key !== "Enter") return;
      document.querySelector(`#sites tr[data-site="${CSS.escape(site.id)}"] a`)?.click();
    });
    if (site.id === focused) element.focus({ preventScroll: true });
  }
}

/* The table is renewed by itself and does not know which site was chosen since: tell it, and the links. */
function markChosen() {
  const chosen = document.getElementById("site")?.dataset.site;
  for (const row of document.querySelectorAll("#sites tr[data-site]")) {
    const own = row.dataset.site === chosen;
    if (row.classList.contains("chosen") === own) continue;
    row.classList.toggle("chosen", own);
    if (own) row.querySelector("a").setAttribute("aria-current", "true");
    else row.querySelector("a").removeAttribute("aria-current");
  }
  for (const link of document.querySelectorAll(".languages a")) {
    if (link.search !== location.search) link.search = location.search;
  }
}

/* ---- chart ---- */

let plot = null;
let shown = "";

function chartOptions(source, width, span) {
  const language = document.documentElement.lang;
  const zone = source.zone;
  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", timeZone: zone });
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: zone });
  const decimal = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const number = (value) => (value == null ? "–" : `${decimal.format(value)} ${source.unit}`);
  const axis = { stroke: css("--ink"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
  return {
    width,
    height: 240,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), zone),
    scales: { x: { range: () => span }, y: { range: (u, low, high) => (low == null ? [0, 1] : uPlot.rangeNum(low, high, 0.1, true)) } },
    axes: [
      { ...axis, values: (u, ticks) => ticks.map((tick) => clock.format(tick * 1000)) },
      { ...axis, size: 56, values: (u, ticks) => ticks.map((tick) => decimal.format(tick)) },
    ],
    series: [
      { label: source.time, value: (u, seconds) => (seconds == null ? "–" : day.format(seconds * 1000)) },
      { label: source.label, stroke: css("--link"), width: 2, value: (u, value) => number(value), points: { size: 4 } },
      { label: source.doubtful, stroke: css("--suspect"), paths: () => null, points: { show: true, size: 9, width: 2, fill: css("--paper") }, value: (u, value) => number(value) },
    ],
  };
}

async function drawChart() {
  const source = document.getElementById("chart-source")?.dataset;
  const element = document.getElementById("chart");
  if (!source || !element || !window.uPlot) return;
  const width = Math.max(280, Math.floor(element.parentElement.clientWidth));
  const state = [source.url, source.newest, width, css("--ink")].join(" ");
  if (state === shown && element.firstChild) return;
  shown = state;
  try {
    const answer = await fetch(`${source.url}&points=${Math.min(4000, width)}`);
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const data = await answer.json();
    if (state !== shown || !element.isConnected) return;
    plot?.destroy();
    element.hidden = false;
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", `${source.label}. ${source.describe}`);
    const to = Date.parse(data.to) / 1000;
    const span = [Math.max(Date.parse(data.from) / 1000, Math.min(data.t[0] ?? to, to - 3600)), to];
    plot = new uPlot(chartOptions(source, width, span), [data.t, data.v, data.d], element);
    element.dataset.points = String(data.t.length);
  } catch (error) {
    shown = "";  // the next turn tries again; the table stays
  }
}

/* On a phone the panel lies below the table: whoever chose a site is taken there. */
let wasChosen = false;

function showChosen() {
  const panel = document.getElementById("site");
  if (!wasChosen || !panel) return;
  wasChosen = false;
  if (panel.getBoundingClientRect().top > window.innerHeight * 0.7) panel.scrollIntoView({ block: "start" });
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
  startMap();
  drawChart();
  watchConnection();
  const main = document.getElementById("main");
  let waiting = false;
  new MutationObserver((changes) => {
    const own = changes.every((change) => change.target.closest?.("#map, #chart"));
    if (own || waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      markChosen();
      showChosen();
      drawSites();
      drawChart();
    });
  }).observe(main, { subtree: true, childList: true, attributes: true, characterData: true });
  document.addEventListener("click", (event) => { wasChosen ||= Boolean(event.target.closest?.("#sites a")); });
  window.addEventListener("resize", drawChart);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawChart);
});
