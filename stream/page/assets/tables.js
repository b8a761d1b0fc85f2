// Everything on the page that is text: key figures, tables, state.
import { byId, count, element, fillTable, percent, rate, short } from "./text.js";

const FEW_ALGORITHMS = 15;
const MOST_LUMI_SECTIONS = 12;
const MOST_MASKED = 3;
let algorithms = [];
let onScores = new Set();

export function setUpTables() {
  byId("find").addEventListener("input", fillAlgorithms);
  byId("only-scores").addEventListener("change", fillAlgorithms);
  byId("all-algorithms").addEventListener("click", (event) => {
    const button = event.currentTarget, isAll = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", isAll);
    button.textContent = isAll ? "Show fewer" : "Show all";
    fillAlgorithms();
  });
}

export function showState(state) {
  byId("run").textContent = state.run;
  byId("menu").textContent = `· ${state.menu}`;
  document.title = `${state.run} · l1chain`;
  const look = { running: "running", ended: "ended", "not answering": "lost" }[state.state] ?? "waits";
  byId("state").textContent = state.state === "pausing or paused" && state.pauses.length
    ? `pauses before lumi section ${state.pauses[0]}` : state.state;
  byId("state").dataset.state = look;
  byId("problem").hidden = !state.problem;
  byId("problem").textContent = state.problem ?? "";
  byId("time").textContent = `State of ${state.time.slice(0, 19).replace("T", " ")} UTC.`;
}

export function showTiles(state) {
  const last = state.lumi_sections.at(-1);
  const tiles = [];
  const tile = (id, title, value, more) => tiles.push([id, title, value, more]);
  if (last) {
    const where = `lumi section ${last.lumi_section}`;
    tile("l1", "L1 accepts", rate(last.l1_hz, last.l1_error_hz), `${where}, limit ${rate(state.limits.l1_hz)}`);
    tile("ad", "Anomaly detection", rate(last.ad_hz, last.ad_error_hz), where);
    tile("pure", "AD alone (pure)", rate(last.ad_pure_hz, last.ad_pure_error_hz), where);
    if (last.hlt) {
      tile("hlt", "After the L1 accept", rate(last.hlt.accepted_hz, last.hlt.accepted_error_hz), `${where}, allowed ${rate(state.limits.hlt_hz)}`);
    }
    tile("dead", "Dead time", percent(last.dead_fraction), where);
  }
  for (const one of state.acting.filter((budget) => budget.state === "off")) {
    tile(`off-${one.budget}`, `Budget ${one.budget}`, "switched off", `${rate(one.last_actions.at(-1)?.rate_hz)}, target ${rate(one.target_hz)}`);
  }
  if (state.progress) {
    const now = state.progress;
    tile("decided", "Decided", short(now.decided), `${count(now.decided)} crossings`);
    tile("accepted", "Accepted", short(now.accepted), `${count(now.accepted)} crossings`);
  }
  if (state.speed) {
    const more = `per second; ${Number((100 * state.speed.real_time).toPrecision(2))} % of the LHC's pace`;
    tile("speed", "Speed", `${short(state.speed.crossings_per_s)}`, more);
  }
  byId("tiles").replaceChildren(...tiles.map(([id, title, value, more]) => {
    const made = element("div", "", { class: "tile", id: `tile-${id}` }), shown = element("dd", value);
    shown.append(element("small", more));
    made.append(element("dt", title), shown);
    return made;
  }));
}

export function showBudgets(state) {
  const last = state.lumi_sections.at(-1);
  const rows = Object.entries(state.limits.budgets).map(([name, allowed]) => {
    const kept = last?.budgets[name], use = kept !== undefined && allowed ? kept / allowed : null;
    return [name, rate(kept), rate(last?.suppressed[name]), rate(allowed), use === null ? "–" : percent(use)];
  });
  byId("beam-second").hidden = !rows.length || !state.lumi_sections.some((row) => row.dead_fraction);
  byId("budgets").hidden = !rows.length;
  fillTable(byId("budgets"), rows, ["name", "n", "n", "n", "n"]);
}

const STATES = { acting: "acts", held: "held by an operator", masked: "waits: masked by command", off: "switched off" };
const settingText = (setting) => setting === null ? "–" : typeof setting === "number" ? count(setting) : setting;

function actionText(action) {
  if (!action) return "–";
  const moved = action.before === action.after ? "" : ` ${settingText(action.before)} → ${settingText(action.after)}`;
  return `${action.action}${moved} from lumi section ${action.lumi_section}, at ${rate(action.rate_hz)}`;
}

export function showActing(state) {
  byId("acting").hidden = !state.acting.length;
  fillTable(byId("acting-table"), state.acting.map((one) => [
    one.budget, element("span", STATES[one.state], { class: "acts", "data-acts": one.state }),
    one.by === "cap" ? `${one.rate} rate, by its cap` : `${one.rate} rate, by ${one.by.replace("_", " ")}`,
    rate(one.target_hz), rate(one.rate_hz), settingText(one.setting), actionText(one.last_actions.at(-1)),
  ]), ["name", "", "", "n", "n", "", ""]);
}

export function showAlgorithms(state) {
  algorithms = state.algorithms;
  onScores = new Set(state.on_scores);
  fillAlgorithms();
}

function fillAlgorithms() {
  const sought = byId("find").value.trim().toLowerCase();
  const found = algorithms.filter((row) =>
    row.algorithm.toLowerCase().includes(sought) && (onScores.has(row.algorithm) || !byId("only-scores").checked));
  const isAll = byId("all-algorithms").getAttribute("aria-expanded") === "true";
  const shown = isAll ? found : found.slice(0, FEW_ALGORITHMS);
  const highest = Math.max(...found.map((row) => row.final_hz), 1e-9);
  byId("algorithms-caption").textContent =
    `${shown.length} of ${found.length}${sought ? " found" : ""}, over the whole run.`;
  fillTable(byId("algorithm-table"), shown.map((row) => {
    const bar = element("div", "", { class: "bar", "aria-hidden": "true" });
    bar.append(...["final_hz", "pure_hz"].map((step) => {
      const made = element("i");
      made.style.width = `${(100 * row[step]) / highest}%`;
      return made;
    }));
    const name = element("span", row.algorithm, onScores.has(row.algorithm) ? { class: "on-score" } : {});
    return [name, bar, rate(row.final_hz, row.final_error_hz), rate(row.pure_hz), rate(row.before_prescale_hz)];
  }), ["name", "", "n", "n", "n"]);
}

export function showServices(state) {
  const rows = state.services.map((service) => [
    service.service,
    !service.ready ? "starts" : service.silent_s > 2 ? `silent for ${service.silent_s.toFixed(0)} s` : "runs",
    service.cores === null ? "–" : service.cores.toFixed(2),
    service.cpu_ns_per_crossing === null ? "–" : `${service.cpu_ns_per_crossing.toFixed(1)} ns`,
    short(service.memory_bytes, "B"),
    service.restarts === null ? "–" : String(service.restarts),
  ]);
  byId("service-table").hidden = !rows.length;
  fillTable(byId("service-table"), rows, ["name", "", "n", "n", "n", "n"]);
}

function maskedIn(row) {
  if (!row.masked.length) return [];
  const more = row.masked.length - MOST_MASKED;
  return [`masked: ${row.masked.slice(0, MOST_MASKED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`];
}

export function showLumiSections(state) {
  const rows = state.lumi_sections.slice(-MOST_LUMI_SECTIONS).reverse();
  fillTable(byId("lumi-table"), rows.map((row) => [
    String(row.lumi_section), [row.prescale_column ?? "–", ...maskedIn(row)].join("; "),
    Object.entries(row.model_versions).map(([model, version]) => `${model}/${version}`).join(", ") || "–",
    count(row.decided), count(row.accepted), rate(row.l1_hz, row.l1_error_hz), rate(row.ad_hz, row.ad_error_hz),
    rate(row.ad_pure_hz, row.ad_pure_error_hz), percent(row.dead_fraction),
  ]), ["n", "", "name", "n", "n", "n", "n", "n", "n"]);
}

export function showNothings(state) {
  const say = (name, isEmpty, text) => {
    const place = document.querySelector(`[data-nothing="${name}"]`);
    place.hidden = !isEmpty;
    place.textContent = isEmpty ? text : "";
    const plot = document.querySelector(`[data-plot="${name}"]`);
    if (plot) plot.hidden = isEmpty;
  };
  const why = !state.has_metrics ? "The run exports no metrics (metrics.address in its configuration)."
    : state.state === "ended" ? "Told only while a run runs." : "Nothing yet.";
  say("scores", !state.scores.length, why);
  say("latency", !state.latency.length, why);
  say("services", !state.services.length, state.state === "ended" ? "The run has ended." : "Nobody answers.");
}
