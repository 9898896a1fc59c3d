"use strict";
// What moves on the page: sorted columns, the images behind a cell, light and dark, folded parts on paper.
const root = document.documentElement;
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

function setUpTheme(button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const now = root.dataset.theme ?? (systemIsDark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  });
}

function keyOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
}

function compare(one, other) {
  return typeof one === "number" && typeof other === "number"
    ? one - other
    : String(one).localeCompare(String(other), undefined, { numeric: true });
}

function sortBy(heading) {
  const table = heading.closest("table");
  const column = heading.cellIndex;
  const isNumber = heading.classList.contains("number");
  const first = isNumber ? "descending" : "ascending";
  const second = isNumber ? "ascending" : "descending";
  const order = heading.getAttribute("aria-sort") === first ? second : first;
  table.querySelectorAll("thead th").forEach((one) => one.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
  const there = rows.filter(([key]) => key !== -Infinity);
  const missing = rows.filter(([key]) => key === -Infinity);
  there.sort(([one], [other]) => sign * compare(one, other));
  table.tBodies[0].append(...[...there, ...missing].map(([, row]) => row));
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function pictureOf([name, probability, uri], sentence) {
  const figure = document.createElement("figure");
  if (uri) {
    const image = document.createElement("img");
    image.alt = `${name}: ${sentence}`;
    image.src = uri;
    figure.append(image);
  }
  const caption = element("figcaption", name);
  caption.prepend(element("strong", `${(100 * probability).toFixed(1)} %`), document.createElement("br"));
  figure.append(caption);
  const item = document.createElement("li");
  item.append(figure);
  return item;
}

// The images of a cell are text until it is opened: only then are they decoded.
function openCell(button, dialog) {
  const { cell, count, true: isClass, predicted } = button.dataset;
  const entries = JSON.parse(document.getElementById(`behind-${cell}`).textContent);
  const isRight = isClass === predicted;
  const sentence = isRight ? `is ${isClass}, rightly predicted` : `is ${isClass}, taken for ${predicted}`;
  const order = isRight ? "the least sure first" : "the surest first";
  const shown = entries.length < count ? `${entries.length} of ${count} test images` : `${count} test images`;
  dialog.querySelector("h2").textContent = isRight
    ? `Class ${isClass}, rightly predicted` : `Class ${isClass}, taken for ${predicted}`;
  dialog.querySelector("p").textContent =
    `${shown.replace(/^1 test images$/, "1 test image")}, ${order}; the probability is that of the predicted class.`;
  dialog.querySelector("ul").replaceChildren(...entries.map((entry) => pictureOf(entry, sentence)));
  dialog.showModal();
  dialog.scrollTop = 0;
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function moveFrom(button, key) {
  const [down, right] = STEPS[key];
  const rows = button.closest("tbody").rows;
  let row = button.closest("tr").sectionRowIndex + down;
  let column = button.closest("td").cellIndex + right;
  for (; rows[row]?.cells[column]; row += down, column += right) {
    const next = rows[row].cells[column].querySelector("button");
    if (next) { next.focus(); return; }
  }
}

function setUpMatrix(table) {
  const dialog = document.getElementById("behind");
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-cell]");
    if (button) { openCell(button, dialog); }
  });
  table.addEventListener("keydown", (event) => {
    const button = event.target.closest("button[data-cell]");
    if (!button || !(event.key in STEPS)) { return; }
    event.preventDefault();
    moveFrom(button, event.key);
  });
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) { dialog.close(); } });
}

let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach((one) => { one.open = true; });
});
addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));

setUpTheme(document.getElementById("theme"));
document.querySelectorAll("table.sortable thead button").forEach((button) =>
  button.addEventListener("click", () => sortBy(button.closest("th"))));
document.querySelectorAll("table.matrix").forEach(setUpMatrix);
