// Numbers as text, and elements made of text: nothing that a run tells is ever read as HTML.

const UNITS = [[1e6, "MHz"], [1e3, "kHz"], [1, "Hz"]];

export function rate(hz, error) {
  if (hz === null || hz === undefined) return "–";
  if (hz === 0) return "0";
  const [size, unit] = UNITS.find(([least]) => Math.max(hz, error ?? 0) >= least) ?? UNITS[2];
  if (!error) return `${Number((hz / size).toPrecision(3))} ${unit}`;
  const digits = Math.min(4, Math.max(0, 1 - Math.floor(Math.log10(error / size))));
  return `${(hz / size).toFixed(digits)} ± ${(error / size).toFixed(digits)} ${unit}`;
}

export const count = (value) => value.toLocaleString("en");

export function short(value, unit = "") {
  if (value === null || value === undefined) return "–";
  const [size, prefix] = [[1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([least]) => Math.abs(value) >= least) ?? [1, ""];
  return `${Number((value / size).toPrecision(3))} ${prefix}${unit}`.trim();
}

export const percent = (part) => `${Number((100 * part).toPrecision(2))} %`;

export function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  if (text !== "") made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A cell is a text, or an element; classes by column.
export function fillTable(table, rows, classes) {
  const body = table.tBodies[0];
  body.replaceChildren(...rows.map((cells) => {
    const row = element("tr");
    cells.forEach((cell, k) => {
      const made = element("td", typeof cell === "string" ? cell : "", classes[k] ? { class: classes[k] } : {});
      if (typeof cell !== "string") made.append(cell);
      row.append(made);
    });
    return row;
  }));
}

export const byId = (id) => document.getElementById(id);

export function fillChoices(select, values, chosen) {
  const now = [...select.options].map((option) => option.value);
  if (now.length === values.length && now.every((value, k) => value === values[k])) return;
  const before = select.value;
  select.replaceChildren(...values.map((value) => element("option", value, { value })));
  select.value = values.includes(before) ? before : chosen ?? values[0] ?? "";
}
