/* The map follows the table of sites, the slider leads the table through the last week. */
"use strict";

const GLYPHS = "http://www.w3.org/2000/svg";
const MANY = 150;  // above that, sites are discs on a canvas without numbers

let map = null;
let marks = null;

const layer = () => document.getElementById("sites").dataset;

function sitesInTable() {
  return [...document.querySelectorAll("#sites tr[data-site]")].map((row) => ({
    id: row.dataset.site,
    name: row.dataset.name,
    kind: row.dataset.kind,
    grade: row.dataset.grade,
    klass: Number(row.dataset.class),
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
  number.className = "number" + (site.klass ? ` scale-${layer().scale}-${site.klass}` : "");
  number.textContent = (site.text + " " + site.unit).trim();
  // A class is told by its pill; the glyph stays where something is to be said about its worth.
  if (!site.klass || site.grade !== "fresh") mark.append(glyph);
  mark.append(number);
  return mark;
}

function drawDiscs(sites) {
  marks.clearLayers();
  const canvas = L.canvas({ padding: 0.3 });
  const probe = document.createElement("i");
  document.body.append(probe);
  for (const site of sites) {
    probe.className = site.klass ? `scale-${layer().scale}-${site.klass}` : "";
    const fill = site.klass ? getComputedStyle(probe).backgroundColor : css("--" + site.grade);
    L.circleMarker(site.at, { renderer: canvas, radius: site.chosen ? 9 : 6, color: css("--ink"), weight: site.grade === "fresh" ? 1 : 2, dashArray: site.grade === "stale" ? "3 2" : null, fillColor: fill, fillOpacity: site.grade === "missing" ? 0 : 0.9 })
      .bindTooltip(`${site.name}: ${site.text} ${site.unit}`)
      .on("click", () => site.link.click())
      .addTo(marks);
  }
  probe.remove();
  document.getElementById("map").dataset.discs = String(sites.length);
}

let drawn = "";

function drawSites(always) {
  if (!map) return;
  const sites = sitesInTable();
  const state = JSON.stringify(sites, (key, value) => (key === "link" || key === "words" ? undefined : value));
  if (state === drawn && !always) return;
  drawn = state;
  if (sites.length > MANY) return drawDiscs(sites);
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

/* ---- the last week ---- */

function startWeek() {
  const form = document.getElementById("week");
  if (!form || !window.htmx) return;
  const range = form.elements.back;
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: range.dataset.zone });
  const now = () => Date.parse(document.querySelector("#sites time").dateTime);
  const tell = () => {
    const hours = Number(range.value);
    const text = hours ? format.format(Math.floor(now() / 3600e3) * 3600e3 - hours * 3600e3) : range.dataset.now;
    document.getElementById("back-text").textContent = text;
    range.setAttribute("aria-valuetext", text);
  };
  form.querySelector("button").hidden = true;
  let asked = 0;
  const ask = () => {
    clearTimeout(asked);
    asked = setTimeout(() => {
      const fields = new URLSearchParams(new FormData(form));
      if (fields.get("back") === "0") fields.delete("back");
      htmx.ajax("GET", `${form.dataset.part}?${fields}`, { target: "#sites", swap: "outerMorph" });
    }, 120);
  };
  range.addEventListener("input", () => { tell(); ask(); });
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  tell();
}

/* On a phone the panel lies below the table: whoever chose a site is taken there. */
let wasChosen = false;

function showChosen() {
  const panel = document.getElementById("site");
  if (!wasChosen || !panel) return;
  wasChosen = false;
  if (panel.getBoundingClientRect().top > window.innerHeight * 0.7) panel.scrollIntoView({ block: "start" });
}

/* ---- start ---- */

document.addEventListener("DOMContentLoaded", () => {
  startMap();
  startWeek();
  redraws.push(markChosen, showChosen, drawSites);
  document.addEventListener("click", (event) => { wasChosen ||= Boolean(event.target.closest?.("#sites a")); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawSites(true));
});
