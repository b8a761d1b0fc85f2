// Commands: given with the token, which the server alone can judge.
import { byId, element, fillChoices, fillTable } from "./text.js";

const KEPT_TOKEN = "l1chain-token";
const ARMED_MS = 5000;
let models = [];

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEPT_TOKEN, given);
    history.replaceState(null, "", location.pathname);
  }
  byId("token").value = sessionStorage.getItem(KEPT_TOKEN) ?? "";
}

export function setUpControls() {
  takeToken();
  addEventListener("hashchange", takeToken);
  byId("token").addEventListener("input", (event) => sessionStorage.setItem(KEPT_TOKEN, event.target.value));
  byId("control-form").addEventListener("submit", (event) => event.preventDefault());
  byId("model").addEventListener("change", fillVersions);
  for (const button of document.querySelectorAll("[data-command]")) button.addEventListener("click", () => press(button));
}

function press(button) {
  if (button.classList.contains("danger") && !button.dataset.armed) {
    const text = button.textContent;
    button.dataset.armed = "yes";
    button.textContent = "Press again: all AD off";
    setTimeout(() => { delete button.dataset.armed; button.textContent = text; }, ARMED_MS);
    return;
  }
  order(button);
}

const ARGUMENTS = {
  swap: () => ({ name: byId("model").value, version: byId("version").value }),
  rollback: () => ({ name: byId("model").value }),
  prescale: () => ({ column: byId("column").value }),
  "budget-hold": () => ({ budget: byId("budget").value }),
  "budget-release": () => ({ budget: byId("budget").value }),
};

async function order(button) {
  const token = byId("token").value.trim(), command = button.dataset.command;
  if (!token) {
    answer(false, "Commands need the token that the terminal shows.");
    byId("token").focus();
    return;
  }
  const id = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  button.disabled = true;
  answer(null, `${button.textContent}: asked, waiting for the run …`);
  try {
    const response = await fetch("command", {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ id, command, arguments: ARGUMENTS[command]?.() ?? {} }),
    });
    const told = await response.json();
    if (told.ok) answer(true, success(command, told.result));
    else answer(false, `Refused: ${told.error.where}: ${told.error.what}; ${told.error.remedy}.`);
  } catch (error) {
    answer(false, "No answer: the page lost its server.");
  } finally {
    button.disabled = false;
  }
}

function success(command, result) {
  const from = result?.lumi_section ? ` from lumi section ${result.lumi_section} on` : "";
  return {
    swap: `${byId("model").value}/${byId("version").value} decides${from}.`,
    rollback: `The version before decides again${from}.`,
    prescale: `Prescale column ${byId("column").value} holds${from}.`,
    pause: `The run pauses before lumi section ${result?.lumi_section}.`,
    resume: `The run goes on${from}.`,
    "budget-hold": `The controller of ${byId("budget").value} does nothing${from}.`,
    "budget-release": `The controller of ${byId("budget").value} acts${from}.`,
    "emergency-off": `All algorithms on scores are masked${from}.`,
  }[command];
}

function answer(isOk, text) {
  byId("answer").dataset.ok = isOk;
  byId("answer").textContent = text;
}

function fillVersions() {
  const model = models.find((one) => one.model === byId("model").value);
  fillChoices(byId("version"), model?.versions ?? [], model?.production);
}

export function showControls(state) {
  byId("control-form").hidden = !state.controls;
  byId("controls-caption").hidden = !state.controls;
  if (state.controls) {
    models = state.controls.models;
    document.querySelector('[data-needs="models"]').hidden = !models.length;
    document.querySelector('[data-needs="columns"]').hidden = !state.controls.columns.length;
    document.querySelector('[data-needs="acting"]').hidden = !state.acting.length;
    fillChoices(byId("budget"), state.acting.map((one) => one.budget));
    fillChoices(byId("model"), models.map((one) => one.model));
    fillChoices(byId("column"), state.controls.columns, state.lumi_sections.at(-1)?.prescale_column);
    fillVersions();
    byId("deciding").textContent = `Now: ${models.map((one) => `${one.model}/${one.production}`).join(", ")}.`;
  } else {
    byId("answer").textContent = state.state === "ended" ? "The run has ended." : "The run does not answer.";
  }
  byId("changes").hidden = !state.changes.length;
  fillTable(byId("changes"), [...state.changes].reverse().map((change) => [
    String(change.lumi_section), change.kind,
    Object.values(change.arguments).map((value) => value?.version ?? String(value)).join(", "),
  ]), ["n", "", ""]);
}
