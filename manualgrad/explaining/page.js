"use strict";
// What the page shows was computed before it was written; here it is stepped through, pointed at, and the update is
// computed again for another learning rate.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// ---------------------------------------------------------------------------------------------------------- writing

/** A number as the rest of the page has it: four decimals, or four significant digits if it is small. */
function number(v) {
  if (v === 0) return "0";
  if (!Number.isFinite(v)) return String(v);
  const size = Math.abs(v);
  if (size >= 1e7 || size < 1e-4) {
    const [digits, power] = v.toExponential(3).split("e");
    const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
    return `${short}e${power[0] === "-" ? "-" : "+"}${power.slice(1).padStart(2, "0")}`;
  }
  const text = size < 0.01 ? v.toPrecision(4) : v.toFixed(4);
  return text.replace(/\.?0+$/, "");
}

/** A number in at most so many characters, with fewer digits if need be. */
function short(v, room) {
  const forms = [number(v), v.toPrecision(3), v.toPrecision(2), v.toExponential(1), v.toExponential(0)];
  return forms.find((form) => form.length <= room) ?? forms[4];
}

const MATH = "http://www.w3.org/1998/Math/MathML";

function math(tag, ...children) {
  const element = document.createElementNS(MATH, tag);
  element.append(...children);
  return element;
}

function named(name) {
  const cut = name.indexOf("_");
  if (cut < 1 || cut === name.length - 1) return math("mi", name);
  return math("msub", math("mi", name.slice(0, cut)), math("mi", name.slice(cut + 1)));
}

function slope(above, below) {
  return math("mfrac", math("mrow", math("mo", "∂"), named(above)), math("mrow", math("mo", "∂"), named(below)));
}

function figure(v, first) {
  const text = math("mn", number(v).replace("-", "−"));
  return v < 0 && !first ? math("mrow", math("mo", "("), text, math("mo", ")")) : text;
}

/** a · b · c of elements that `each` makes. */
function joined(parts, sign, each) {
  return parts.flatMap((part, i) => (i ? [math("mo", sign), each(part, i)] : [each(part, i)]));
}

function block(className, ...children) {
  const element = document.createElement("div");
  element.className = className;
  element.append(...children);
  return element;
}

// --------------------------------------------------------------------------------------------------------- stepping

const slider = $("slider");
const last = Number(slider.max);

function show(step) {
  slider.value = step;
  $("where").textContent = `Step ${step} of ${last}: ${data.headings[step]}`;
  for (const moment of all(".moment")) moment.hidden = Number(moment.dataset.step) !== step;
  for (const text of all("svg [data-at]")) {
    const at = Number(text.dataset.at);
    text.classList.toggle("later", at > step);
    text.classList.toggle("now", at === step && step > 0);
  }
  for (const item of all("svg .item")) {
    item.classList.toggle("active", item.dataset.moments.split(" ").includes(String(step)));
  }
  updateWeights();
  const active = document.querySelector("svg .node.active");
  if (active) {
    const box = active.getBoundingClientRect();
    const view = $("scroll").getBoundingClientRect();
    if (box.left < view.left || box.right > view.right) {
      $("scroll").scrollLeft += box.left + box.width / 2 - view.left - view.width / 2;
    }
  }
}

const go = (step) => show(Math.min(last, Math.max(0, step)));
slider.addEventListener("input", () => go(Number(slider.value)));
$("first").addEventListener("click", () => go(0));
$("back").addEventListener("click", () => go(Number(slider.value) - 1));
$("next").addEventListener("click", () => go(Number(slider.value) + 1));
$("last").addEventListener("click", () => go(last));
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, summary")) return;
  if (event.key === "ArrowRight") go(Number(slider.value) + 1);
  else if (event.key === "ArrowLeft") go(Number(slider.value) - 1);
  else if (event.key === "Home") go(0);
  else if (event.key === "End") go(last);
  else if (event.key === "Escape") { pick(null); route(""); return; }
  else return;
  event.preventDefault();
});

// --------------------------------------------------------------------------------------------------------- pointing

function pick(item) {
  for (const other of all("svg .picked")) other.classList.remove("picked");
  if (!item) {
    $("panel").replaceChildren(block("hint", "Nothing is selected."));
    return;
  }
  item.classList.add("picked");
  $("panel").replaceChildren($(`about-${item.id}`).content.cloneNode(true));
}

for (const item of all("svg .item")) {
  item.addEventListener("pointerenter", () => pick(item));
  item.addEventListener("focus", () => pick(item));
  item.addEventListener("click", () => choose(item));
  item.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(item);
  });
}

/** A click selects the item; on a parameter, its routes too. */
function choose(item) {
  pick(item);
  const start = (data.items[item.id].elements ?? []).find((name) => data.starts.includes(name));
  if (start) route(start);
}

// ----------------------------------------------------------------------------------------------------------- routes

const LISTED = 24;

/** All paths from an element to the loss, each a list of [below, above, slope, step]; the element graph has no cycle. */
function paths(start) {
  const found = [];
  const walk = (at, links) => {
    if (at === data.loss) found.push(links);
    else for (const [above, value, step] of data.links[at] || []) walk(above, [...links, [at, above, value, step]]);
  };
  walk(start, []);
  return found;
}

function route(start) {
  const select = $("route");
  if (!select) return;
  select.value = start;
  const found = start ? paths(start) : [];
  const product = (links) => links.reduce((p, link) => p * link[2], 1);
  found.sort((a, b) => Math.abs(product(b)) - Math.abs(product(a)));
  const used = found.flat();
  for (const [id, item] of Object.entries(data.items)) $(id).classList.toggle("on-route", isUsed(item, used));
  $("paths").replaceChildren(...(start ? written(start, found, product) : []));
}

function isUsed(item, used) {
  const has = (names, name) => (names || []).includes(name);
  if (!item.ends) return used.some((l) => has(item.elements, l[0]) || has(item.elements, l[1]) || has(item.steps, l[3]));
  const [from, to] = item.ends;
  if (!item.steps.length) return used.some((l) => has(item.elements, l[1]));
  return used.some((l) => has(item.steps, l[3]) && (has(item.elements, l[0]) || has(from, l[0]))
    && (!to.length || has(to, l[1])));
}

/** The sides of an equation as elements of their own, so that a long one wraps at its equals signs. */
function equation(className, ...sides) {
  return block(className, ...sides.flatMap((side, i) => {
    const element = math("math", ...(i ? [math("mo", "=")] : []), ...side);
    return i ? [" ", element] : [element];
  }));
}

function written(start, found, product) {
  if (!found.length) return [block("note", `No path leads from ${start} to ${data.loss}.`)];
  const lines = found.slice(0, LISTED).map((links) => {
    const down = [...links].reverse();
    const symbols = joined(down, "·", (l) => slope(l[1], l[0]));
    const numbers = joined(down, "·", (l, i) => figure(l[2], i === 0));
    const whole = found.length === 1 ? [[slope(data.loss, start)]] : [];
    return equation("math", ...whole, symbols, numbers, [figure(product(links), true)]);
  });
  if (found.length > LISTED) lines.push(block("note", `The ${LISTED} largest of ${found.length} paths.`));
  if (found.length > 1) {
    const total = found.reduce((sum, links) => sum + product(links), 0);
    const terms = found.length <= 6 ? joined(found, "+", (l, i) => figure(product(l), i === 0))
      : [math("mtext", `the sum of ${found.length} products`)];
    lines.push(equation("math total", [slope(data.loss, start)], terms, [figure(total, true)]));
  }
  return lines;
}

if ($("route")) $("route").addEventListener("change", () => route($("route").value));

// ----------------------------------------------------------------------------------------------------------- update

const after = {};

function update() {
  const rate = Number($("rate").value);
  if (!Number.isFinite(rate) || $("rate").value === "") return;
  for (const row of all("tr[data-before]")) {
    const adjustment = rate * Number(row.dataset.gradient);
    const value = Number(row.dataset.before) - adjustment;
    row.children[3].textContent = number(adjustment);
    row.children[4].textContent = number(value);
    after[row.dataset.name] = value;
  }
  updateWeights();
}

/** At the last step the drawing shows the new weights. */
function updateWeights() {
  const updated = data.update && Number(slider.value) === last;
  for (const text of all("svg [data-element]")) {
    const value = after[text.dataset.element];
    const changed = updated && value !== undefined;
    text.classList.toggle("updated", changed);
    text.textContent = changed ? short(value, Number(text.dataset.room)) : text.dataset.value;
  }
}

if ($("rate")) {
  $("rate").addEventListener("input", update);
  update();
}
show(data.opening);
