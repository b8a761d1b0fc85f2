// Bokeh's plots: embedded without data, then filled by name. Colour, marker and dash tell series apart together.
import { count, element, percent, rate } from "./text.js";

const MARKERS = ["circle", "square", "triangle", "diamond", "inverted_triangle", "star", "hex", "plus"];
const MOST_COLOURS = 8;
const MANY_POINTS = 50, LARGE = 6, SMALL = 3;
const documents = new Map();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export const seriesColour = (k) => colour(`s${k % MOST_COLOURS}`);

export async function embedPlots(look) {
  Bokeh.set_log_level("error");
  const plots = await (await fetch(`plots/${look}`)).json();
  for (const place of document.querySelectorAll("[data-plot]")) {
    const name = place.dataset.plot;
    documents.get(name)?.clear();
    place.replaceChildren();
    place.id = `plot-${name}`;
    const views = await Bokeh.embed.embed_item(plots[name], place.id);
    documents.set(name, [...views][0].model.document);
  }
}

export function fill(plot, source, data) {
  const found = documents.get(plot)?.get_model_by_name(source);
  if (found) found.data = data;
}

// A series: label, x, y, text for each point, and whether it is a limit: dashed, without markers.
export function lines(plot, series) {
  const looks = series.map((one, k) => ({
    colour: one.isLimit ? colour("limit") : seriesColour(one.place ?? k),
    dash: one.dash ?? (one.isLimit ? "dashed" : "solid"),
    marker: one.isLimit ? null : MARKERS[(one.place ?? k) % MARKERS.length],
  }));
  fill(plot, `${plot}-lines`, {
    xs: series.map((one) => one.x), ys: series.map((one) => one.y),
    colour: looks.map((look) => look.colour), dash: looks.map((look) => look.dash),
  });
  const points = { x: [], y: [], colour: [], marker: [], size: [], label: [], text: [] };
  series.forEach((one, k) => {
    if (one.isLimit) return;
    const { x, y } = one.points ?? one;
    const size = x.length > MANY_POINTS ? SMALL : LARGE;
    x.forEach((value, place) => {
      points.x.push(value); points.y.push(y[place]); points.colour.push(looks[k].colour);
      points.marker.push(looks[k].marker); points.size.push(size); points.label.push(one.label); points.text.push(one.text[place]);
    });
  });
  fill(plot, `${plot}-points`, points);
  legend(plot, series.map((one, k) => ({ label: one.label, ...looks[k] })).filter((_, k) => !series[k].isUnnamed));
}

const SHAPES = {
  circle: "M15 2.5a3.5 3.5 0 1 0 .01 0Z", square: "M12 3h6v6h-6Z", triangle: "M15 2l4 7h-8Z", diamond: "M15 1l4 5-4 5-4-5Z",
  inverted_triangle: "M15 10l4-7h-8Z", star: "M15 1l1.4 3.3 3.6.3-2.7 2.4.8 3.5-3.1-1.9-3.1 1.9.8-3.5-2.7-2.4 3.6-.3Z",
  hex: "M13 2.5h4l2 3.5-2 3.5h-4l-2-3.5Z", plus: "M15 2v8M11 6h8",
};
const STROKES = { solid: "", dashed: "6 4", dotted: "2 3" };

export function legend(plot, entries) {
  const list = document.querySelector(`[data-legend="${plot}"]`);
  const key = JSON.stringify(entries);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...entries.map((entry) => {
    const item = element("li");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 30 12");
    svg.setAttribute("aria-hidden", "true");
    const path = (d, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", "path");
      for (const [name, value] of Object.entries({ d, stroke: entry.colour, "stroke-width": 2, fill: "none", ...attributes })) made.setAttribute(name, value);
      svg.append(made);
    };
    if (entry.dash) path("M1 6H29", { "stroke-dasharray": STROKES[entry.dash] });
    if (entry.marker) path(SHAPES[entry.marker], { fill: entry.colour, "stroke-width": 1.5 });
    item.append(svg, entry.label);
    return item;
  }));
}

const KHZ = 1e3;

function limit(rows, label, hz, size) {
  const x = rows.length ? [rows[0].lumi_section, rows.at(-1).lumi_section] : [];
  return { label, x, y: x.map(() => hz / size), isLimit: true };
}

function byLumiSection(rows, label, value, error, size, place) {
  const kept = rows.filter((row) => value(row) !== undefined);
  return {
    label, place, x: kept.map((row) => row.lumi_section), y: kept.map((row) => value(row) / size),
    text: kept.map((row) => rate(value(row), error?.(row))),
  };
}

export function rates(state) {
  const rows = state.lumi_sections;
  const budgets = Object.entries(state.limits.budgets);
  const onScores = budgets.filter(([name]) => state.budgets_on_scores.includes(name));
  const others = budgets.filter(([name]) => !state.budgets_on_scores.includes(name));
  lines("total", [
    byLumiSection(rows, "L1 accepts", (row) => row.l1_hz, (row) => row.l1_error_hz, KHZ),
    byLumiSection(rows, "final OR", (row) => row.final_or_hz, null, KHZ),
    ...keptByBudgets(rows, others, KHZ),
    limit(rows, `limit ${rate(state.limits.l1_hz)}`, state.limits.l1_hz, KHZ),
  ]);
  const groups = [...new Set(rows.flatMap((row) => Object.keys(row.groups)))];
  lines("groups", groups.map((name) => byLumiSection(rows, name, (row) => row.groups[name], null, KHZ)));
  lines("ad", [
    byLumiSection(rows, "AD", (row) => row.ad_hz, (row) => row.ad_error_hz, 1),
    byLumiSection(rows, "AD, pure", (row) => row.ad_pure_hz, (row) => row.ad_pure_error_hz, 1),
    ...keptByBudgets(rows, onScores, 1),
  ]);
  acting(state);
}

function keptByBudgets(rows, budgets, size) {
  return [
    ...budgets.map(([name], k) => byLumiSection(rows, `budget ${name}`, (row) => row.budgets[name], null, size, k + 2)),
    ...budgets.map(([name, hz]) => limit(rows, `${name} may have ${rate(hz)}`, hz, size)),
  ];
}

// Rates over their targets, so that budgets of 1 kHz and of 100 kHz are on one scale.
function acting(state) {
  const drawn = state.acting.map(({ budget, target_hz: target }) => {
    const rows = state.lumi_sections.filter((row) => (row.budget_control[budget]?.rate_hz ?? null) !== null);
    const seen = rows.map((row) => row.budget_control[budget]);
    return {
      label: budget, x: rows.map((row) => row.lumi_section), y: seen.map((one) => one.rate_hz / target),
      text: seen.map((one) => `${rate(one.rate_hz)}, target ${rate(target)}, ${one.state}${one.setting === null ? "" : `, ${one.setting}`}`),
    };
  });
  lines("acting", [...drawn, limit(state.lumi_sections, "target", 1, 1)]);
}

export function scores(state) {
  const drawn = state.scores.map((one) => {
    const x = [], y = [], points = { x: [], y: [] }, text = [];
    one.fractions.forEach((part, k) => {
      if (!part) return;
      // Bin k ends before 2^k; the first one, of the score 0, is drawn as wide as the others.
      const high = Math.log2(one.edges[k + 1]);
      x.push(high - 1, high); y.push(part, part);
      points.x.push(high - 0.5); points.y.push(part);
      text.push(`score ${count(one.edges[k])} to ${count(one.edges[k + 1] - 1)}: ${percent(part)}`);
    });
    const role = one.role === "candidate" ? ", candidate" : "";
    return { label: `${one.model}/${one.version}${role}: ${count(one.crossings)} crossings`, x, y, points, text };
  });
  lines("scores", drawn);
}

export function latency(state) {
  const stages = [...new Set(state.latency.flatMap((then) => then.stages.map((stage) => stage.stage)))];
  const drawn = stages.flatMap((name, place) => ["p50_ms", "p99_ms"].map((which) => {
    const found = state.latency.map((then) => [then, then.stages.find((stage) => stage.stage === name)]).filter(([, stage]) => stage);
    const isMedian = which === "p50_ms";
    return {
      label: name, place, dash: isMedian ? "solid" : "dotted", isUnnamed: !isMedian,
      x: found.map(([then]) => Date.parse(then.time)), y: found.map(([, stage]) => stage[which]),
      text: found.map(([then, stage]) => `${then.time.slice(11, 19)}: ${isMedian ? "median" : "99 %"} ${stage[which].toPrecision(3)} ms`),
    };
  }));
  lines("latency", drawn);
}
