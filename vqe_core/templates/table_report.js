"use strict";
document.documentElement.classList.add("js");
const tables = JSON.parse(document.getElementById("data").textContent);
const form = document.querySelector(".filters"), list = document.getElementById("rows");
const found = document.getElementById("found"), more = document.getElementById("more");
const STEP = 50;
let rows = [], shown = 0, at = 0;

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function format(value) {
  return value === null ? "–" : value.toFixed(3).replace("-", "−");
}

function options(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => Object.assign(element("option", "", text), { value })));
}

function choose(number) {
  at = number;
  const table = tables[at], counts = new Map();
  for (const word of table.status) counts.set(word, (counts.get(word) || 0) + 1);
  const words = [...counts].sort((one, other) => other[1] - one[1]);
  options(form.elements.status, [["", "any"], ...words.map(([i, count]) => [String(i), `${table.statuses[i]} (${count})`])]);
  options(form.elements.score, Object.keys(table.scores).map((name) => [name, name]));
  form.elements.score.value = table.headline;
}

function bound(name, otherwise) {
  const text = form.elements[name].value;
  return text === "" ? otherwise : Number(text);
}

function filter() {
  const table = tables[at], values = table.scores[form.elements.score.value];
  const status = form.elements.status.value, text = form.elements.text.value.trim().toLowerCase();
  const low = bound("low", -Infinity), high = bound("high", Infinity), order = form.elements.order.value;
  const bounded = low > -Infinity || high < Infinity;
  rows = [];
  for (let i = 0; i < values.length; i++) {
    if (status !== "" && table.status[i] !== Number(status)) continue;
    if (bounded && (values[i] === null || values[i] < low || values[i] > high)) continue;
    if (text && !(table.caption[i] + "\n" + table.videos[table.video[i]]).toLowerCase().includes(text)) continue;
    rows.push(i);
  }
  if (order !== "row") {
    const sign = order === "low" ? 1 : -1;
    // rows without the score come last, in either order
    rows.sort((a, b) => (values[a] === null) - (values[b] === null) || sign * (values[a] - values[b]));
  }
  const listed = values.length < table.total ? `, of ${values.length} listed, of ${table.total} in the table` : ` of ${table.total}`;
  found.textContent = `${rows.length} ${rows.length === 1 ? "row" : "rows"}${listed}`;
  list.replaceChildren();
  shown = 0;
  show();
}

function show() {
  const table = tables[at], values = table.scores[form.elements.score.value];
  const some = rows.slice(shown, shown + STEP);
  list.append(...some.map((i) => row(table, values, i)));
  shown += some.length;
  more.hidden = shown >= rows.length;
  more.textContent = `Show ${Math.min(STEP, rows.length - shown)} more`;
}

function row(table, values, i) {
  const made = element("details", "row plain"), summary = element("summary"), what = element("span", "what");
  const video = table.videos[table.video[i]], caption = table.caption[i], number = table.row ? table.row[i] : i;
  what.append(element("span", "said", caption || video || `row ${number}`));
  const about = element("small", "", caption && video ? video + " · " : "");
  about.append(element("span", "nr", `row ${number}`));
  what.append(about);
  const status = table.statuses[table.status[i]];
  summary.append(what, values[i] === null ? element("span", "num none", status) : element("span", "num", format(values[i])));
  made.append(summary);
  // what is inside is made when it is opened: ten thousand rows stay light
  made.addEventListener("toggle", () => {
    if (!made.open || made.children.length > 1) return;
    const body = element("div", "body"), list = element("dl", "values");
    if (table.message[i]) body.append(element("p", "note", table.message[i]));
    for (const [name, column] of Object.entries(table.scores)) {
      if (column[i] === null) continue;
      const pair = element("div");
      pair.append(element("dt", "", name), element("dd", "", format(column[i])));
      list.append(pair);
    }
    body.append(list);
    made.append(body);
  });
  return made;
}

function clear() {
  for (const name of ["low", "high", "text"]) form.elements[name].value = "";
  form.elements.order.value = "low";
}

function go(settings) {
  clear();
  choose(Number(settings.table || 0));
  if (form.elements.table) form.elements.table.value = String(at);
  for (const name of ["low", "high"]) if (settings[name] !== undefined) form.elements[name].value = settings[name];
  if (settings.status) form.elements.status.value = String(tables[at].statuses.indexOf(settings.status));
  filter();
  document.getElementById("list").scrollIntoView({ behavior: "smooth" });
}

form.addEventListener("input", (event) => {
  if (event.target.name === "table") choose(Number(event.target.value));
  filter();
});
form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("clear").addEventListener("click", () => { clear(); choose(at); filter(); });
more.addEventListener("click", show);
document.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-low], [data-status]");
  if (chosen) go(chosen.dataset);
});
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll(".worth .row:not([open]), .about:not([open])")];
  for (const each of opened) each.open = true;
});
addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
choose(0);
filter();
