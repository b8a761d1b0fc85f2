// The event display: one accepted crossing, what is in it, and why it was kept.
import { fill, legend, seriesColour } from "./charts.js";
import { byId, count, element, fillTable } from "./text.js";

const KINDS = [
  ["MU", "muon", "circle", 2], ["EG", "e/γ", "square", 0], ["TAU", "tau", "triangle", 3], ["JET", "jet", "hex", 4],
];
const LEAST_SIZE = 7, MOST_SIZE = 60, SIZE_OF_ROOT_GEV = 3.4;
const ETA_LIMIT = 5.7;
const LEAST_WRITTEN_GEV = 15;
const NAMES = { etmhf: "ETMHF", etm: "ETM", htt: "HTT", ett: "ETT" };
let crossings = [];
let chosen = null;
let isChoosing = false;

const keyOf = (crossing) => `${crossing.lumi_section}/${crossing.crossing}`;
const momentum = (one) => (one.pt_gev === null ? "no pT" : `${one.overflow ? "≥ " : ""}${one.pt_gev.toFixed(1)} GeV`);

const byMomentum = (objects) => [...objects].sort((a, b) => (b.pt_gev ?? 0) - (a.pt_gev ?? 0));

export function setUpEvent() {
  byId("crossing").addEventListener("change", (event) => { isChoosing = true; chosen = event.target.value; byId("hold").checked = true; draw(); });
  byId("by-scores").addEventListener("change", () => { byId("hold").checked = false; list(); });
  byId("hold").addEventListener("change", () => list());
  // Whoever reads on in a list does not want to lose it.
  byId("why").addEventListener("focusin", () => { byId("hold").checked = true; });
}

export function showCrossings(told) {
  const isHeld = byId("hold").checked;
  if (isHeld && chosen !== null) return;
  crossings = told;
  list();
}

function list() {
  const wanted = crossings.filter((crossing) => crossing.by_scores || !byId("by-scores").checked);
  if (!byId("hold").checked || !wanted.some((one) => keyOf(one) === chosen)) chosen = wanted.length ? keyOf(wanted[0]) : null;
  byId("crossing").replaceChildren(...wanted.map((one) => {
    const more = one.algorithms.length > 1 ? ` +${one.algorithms.length - 1}` : "";
    return element("option", `${one.lumi_section} · ${one.algorithms[0] ?? "–"}${more}`, { value: keyOf(one) });
  }));
  byId("crossing").value = chosen ?? "";
  draw();
}

export function draw() {
  const crossing = crossings.find((one) => keyOf(one) === chosen);
  const kinds = KINDS.map(([, label, marker, place]) => ({ label, marker, colour: seriesColour(place) }));
  legend("event", [...kinds, { label: "missing ET", dash: "dashed", colour: seriesColour(6) }]);
  const objects = { x: [], y: [], size: [], colour: [], marker: [], label: [], text: [], shown: [], aside: [] };
  const written = [];
  for (const one of byMomentum(crossing?.objects ?? [])) {
    const [, label, marker, place] = KINDS.find(([code]) => code === one.object);
    objects.x.push(one.eta); objects.y.push(one.phi_rad); objects.marker.push(marker); objects.colour.push(seriesColour(place));
    objects.size.push(Math.min(MOST_SIZE, LEAST_SIZE + SIZE_OF_ROOT_GEV * Math.sqrt(one.pt_gev ?? 0)));
    objects.aside.push(objects.size.at(-1) / 2 + 1);
    objects.label.push(label);
    objects.text.push(`${momentum(one)}, η ${one.eta.toFixed(2)}, φ ${one.phi_rad.toFixed(2)}`);
    // The same energy is often an e/γ, a tau and a jet: one number in one place.
    const isFree = written.every((other) => Math.abs(other.eta - one.eta) > 0.8 || Math.abs(other.phi_rad - one.phi_rad) > 0.3);
    const isWritten = one.pt_gev !== null && one.pt_gev >= LEAST_WRITTEN_GEV && isFree;
    if (isWritten) written.push(one);
    objects.shown.push(isWritten ? String(Math.round(one.pt_gev)) : "");
  }
  fill("event", "event-objects", objects);
  const met = crossing?.sums.etmhf.et_gev > 0 ? crossing.sums.etmhf : crossing?.sums.etm;
  const hasMet = met?.phi_rad !== null && met?.phi_rad !== undefined;
  fill("event", "event-met", hasMet
    ? { xs: [[-ETA_LIMIT, ETA_LIMIT]], ys: [[met.phi_rad, met.phi_rad]], colour: [seriesColour(6)] }
    : { xs: [], ys: [], colour: [] });
  explain(crossing);
}

function explain(crossing) {
  const why = byId("why"), key = crossing ? keyOf(crossing) : "none";
  if (why.dataset.key === key) return;
  why.dataset.key = key;
  if (!crossing) {
    why.replaceChildren(element("p", "No such crossing was told of yet.", { class: "nothing" }));
    return;
  }
  const place = `Lumi section ${crossing.lumi_section}, crossing ${count(crossing.crossing)} (orbit ${count(crossing.orbit)}, BX ${crossing.bx})`;
  const list = (items) => { const made = element("ul", "", { tabindex: "0" }); made.append(...items.map((text) => element("li", text))); return made; };
  const sums = Object.entries(crossing.sums).map(([name, sum]) =>
    `${NAMES[name]} ${sum.overflow ? "≥ " : ""}${sum.et_gev.toFixed(1)} GeV`);
  const objects = element("table");
  objects.append(element("thead"), element("tbody"));
  objects.tHead.append(element("tr"));
  objects.tHead.rows[0].append(...["object", "pT", "η", "φ"].map((name, k) => element("th", name, k ? { class: "n" } : {})));
  fillTable(objects, byMomentum(crossing.objects).map((one) => [
    KINDS.find(([code]) => code === one.object)[1], momentum(one), one.eta.toFixed(2), one.phi_rad.toFixed(2),
  ]), ["", "n", "n", "n"]);
  const scroll = element("div", "", { class: "objects", tabindex: "0", role: "region", "aria-label": "Objects" });
  scroll.append(objects);
  const parts = [element("p", place, { class: "caption" }), element("h3", "Kept by"), list(crossing.algorithms)];
  if (crossing.scores.length) {
    parts.push(element("h3", "Scores"), list(crossing.scores.map((one) => `${one.model}/${one.version}: ${count(one.score)}`)));
  }
  why.replaceChildren(...parts, element("h3", "Sums"), list(sums), element("h3", "Objects"), scroll);
}
