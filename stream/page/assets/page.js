// Asks for the state of the run once a second while the page is seen, and shows it.
import * as charts from "./charts.js";
import { setUpControls, showControls } from "./controls.js";
import { draw, setUpEvent, showCrossings } from "./event.js";
import * as tables from "./tables.js";
import { byId } from "./text.js";

const PERIOD_MS = 1000, AGAIN_MS = 5000, PATIENCE_MS = 8000;
const KEPT_LOOK = "l1chain-look";
const isDark = matchMedia("(prefers-color-scheme: dark)");
let state = null;

const look = () => localStorage.getItem(KEPT_LOOK) ?? (isDark.matches ? "dark" : "light");

async function applyLook() {
  document.documentElement.dataset.look = look();
  byId("look").textContent = look() === "dark" ? "☀ Light" : "☾ Dark";
  await charts.embedPlots(look());
  if (state) drawPlots();
}

function drawPlots() {
  charts.rates(state);
  charts.scores(state);
  charts.latency(state);
  draw();
}

function show() {
  tables.showState(state);
  tables.showTiles(state);
  tables.showBudgets(state);
  tables.showActing(state);
  tables.showAlgorithms(state);
  tables.showServices(state);
  tables.showLumiSections(state);
  tables.showNothings(state);
  showControls(state);
  showCrossings(state.accepted);
  drawPlots();
  document.documentElement.dataset.shown = state.time;
}

async function follow() {
  let pause = PERIOD_MS;
  if (!document.hidden) {
    try {
      const told = await (await fetch("state", { signal: AbortSignal.timeout(PATIENCE_MS) })).json();
      if (told.run && told.time !== state?.time) {
        state = told;
        show();
      }
      if (state?.state === "ended") pause = AGAIN_MS;
    } catch (error) {
      byId("state").textContent = "the page lost its server";
      byId("state").dataset.state = "lost";
      pause = AGAIN_MS;
    }
  }
  setTimeout(follow, pause);
}

byId("look").addEventListener("click", () => {
  localStorage.setItem(KEPT_LOOK, look() === "dark" ? "light" : "dark");
  applyLook();
});
isDark.addEventListener("change", applyLook);
tables.setUpTables();
setUpControls();
setUpEvent();
await applyLook();
follow();
