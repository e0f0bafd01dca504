// Filters and orders of the map, the strip of positions, and the table of all tests.
const CALM = new Set(["passed", "reported", "not applicable"]);
const MOST_ROWS = 300;

function levelsOf(row) {
  return [...row.querySelectorAll("td:not([hidden]) .field")].map((each) => each.dataset.level);
}

function attention(row) {
  const order = Object.keys(DATA.marks);
  return levelsOf(row).reduce((sum, level) => sum + 10 ** -order.indexOf(level), 0);
}

/** Rows and columns that a filter leaves; a word that no check has filters SAEs. */
function filterMap() {
  const map = document.getElementById("map"), body = map.tBodies[0];
  const text = document.getElementById("map-text").value.trim().toLowerCase();
  const attentive = document.getElementById("map-level").value === "attention";
  const heads = [...map.querySelectorAll("th[data-check]")];
  const named = (head) => `${head.dataset.check} ${head.dataset.topic}`.toLowerCase().includes(text);
  const ofChecks = heads.some(named);
  const rows = [...body.rows];
  for (const row of rows) {
    row.hidden = Boolean(text) && !ofChecks && !row.dataset.sae.toLowerCase().includes(text);
  }
  heads.forEach((head, at) => {
    const column = rows.map((row) => row.cells[at + 1]);
    const wanted = !attentive || column.some((cell) => {
      const one = cell.querySelector(".field");
      return one && !CALM.has(one.dataset.level) && !cell.parentNode.hidden;
    });
    const hidden = !wanted || (Boolean(text) && ofChecks && !named(head));
    [head, ...column].forEach((cell) => { cell.hidden = hidden; });
  });
  for (const topic of map.querySelectorAll("tr.topics th")) {
    const span = heads.filter((head) => head.dataset.topic === topic.dataset.topic && !head.hidden).length;
    topic.hidden = span === 0;
    topic.colSpan = Math.max(span, 1);
  }
  const shown = rows.filter((row) => !row.hidden).length;
  const columns = heads.filter((head) => !head.hidden).length;
  document.getElementById("map-said").textContent =
    `${shown} of ${rows.length} SAEs, ${columns} of ${heads.length} checks`;
}

function orderMap() {
  const body = document.getElementById("map").tBodies[0];
  const worst = document.getElementById("map-order").value === "worst";
  const rows = [...body.rows].sort((a, b) => worst
    ? attention(b) - attention(a) || a.dataset.at - b.dataset.at
    : a.dataset.at - b.dataset.at);
  body.append(...rows);
}

function startMap() {
  [...document.getElementById("map").tBodies[0].rows].forEach((row, at) => { row.dataset.at = at; });
  document.getElementById("map-text").addEventListener("input", filterMap);
  document.getElementById("map-level").addEventListener("change", filterMap);
  document.getElementById("map-order").addEventListener("change", orderMap);
  filterMap();
}

/** Rows of SAEs, columns of positions, of one check's ranges. */
function drawStrip() {
  const check = document.getElementById("strip-check").value;
  const cells = DATA.cells.filter((cell) => cell.check === check && cell.positions && cell.family === "range");
  const ranges = [...new Map(cells.map((cell) => [cell.where, cell.positions])).entries()]
    .sort(([, a], [, b]) => a[0] - b[0] || a[1] - b[1]);
  const saes = [...document.querySelectorAll("#map tbody tr")].map((row) => row.dataset.sae)
    .filter((sae) => cells.some((cell) => cell.saes === sae));
  const head = element("tr", {}, element("th", { scope: "col" }, "SAE"),
    ...ranges.map(([name]) => element("th", { scope: "col" }, name)));
  const rows = saes.map((sae) => element("tr", {}, element("th", { scope: "row" }, sae),
    ...ranges.map(([name]) => {
      const cell = cells.find((each) => each.saes === sae && each.where === name);
      return element("td", {}, cell ? mapField(cell) : "");
    })));
  document.getElementById("strip").replaceChildren(
    element("thead", {}, head), element("tbody", {}, ...rows));
}

function startStrip() {
  const select = document.getElementById("strip-check");
  const checks = [...new Set(DATA.cells.filter((cell) => cell.positions && cell.family === "range")
    .map((cell) => cell.check))];
  select.append(...checks.map((check) => element("option", { value: check }, check)));
  const worst = DATA.cells.find((cell) => cell.family === "range" && cell.positions && !CALM.has(cell.level));
  if (worst) select.value = worst.check;
  else if (checks.includes("delta_ce")) select.value = "delta_ce";
  select.addEventListener("change", drawStrip);
  if (checks.length) drawStrip();
  else document.getElementById("strip-title").hidden = select.closest("p").hidden = true;
}

const TEST_COLUMNS = [
  ["outcome", (cell) => cell.level, (cell) => Object.keys(DATA.marks).indexOf(cell.level)],
  ["check", (cell) => cell.check],
  ["SAE", (cell) => cell.saes],
  ["where", (cell) => cell.where, (cell) => (cell.positions ? cell.positions[0] : -1)],
  ["value", (cell) => figure(cell.value), (cell) => cell.value ?? -Infinity],
  ["unit", (cell) => cell.unit],
  ["limit", limitOf],
  ["beyond limit", (cell) => (typeof cell.excess === "number" ? `${figure(100 * cell.excess)}%` : ""),
    (cell) => cell.excess ?? -Infinity],
];
let testOrder = [0, 1];

function limitOf(cell) {
  const parts = [];
  if (typeof cell.min === "number") parts.push(`≥ ${figure(cell.min)}`);
  if (typeof cell.max === "number") parts.push(`≤ ${figure(cell.max)}`);
  return parts.join(", ");
}

function drawTests() {
  const text = document.getElementById("tests-text").value.trim().toLowerCase();
  const level = document.getElementById("tests-level").value;
  const family = document.getElementById("tests-family").value;
  const [at, sign] = testOrder, [, shown, key] = TEST_COLUMNS[at];
  const by = key ?? shown;
  const found = DATA.cells.filter((cell) =>
    (!level || cell.level === level) && (!family || cell.family === family) &&
    (!text || cell.id.toLowerCase().includes(text)));
  found.sort((a, b) => {
    const [x, y] = [by(a), by(b)];
    return sign * (typeof x === "number" ? x - y || 0 : String(x).localeCompare(String(y), "en", { numeric: true }));
  });
  const table = document.getElementById("tests-table");
  table.tHead.replaceChildren(element("tr", {}, ...TEST_COLUMNS.map(([name], column) => {
    const order = column === at ? (sign > 0 ? "ascending" : "descending") : "none";
    const button = element("button", { type: "button", class: "sort" }, name);
    button.addEventListener("click", () => {
      testOrder = [column, column === testOrder[0] ? -testOrder[1] : 1];
      drawTests();
      table.tHead.querySelectorAll("button")[column].focus();
    });
    return element("th", { scope: "col", "aria-sort": order }, button);
  })));
  table.tBodies[0].replaceChildren(...found.slice(0, MOST_ROWS).map((cell) =>
    element("tr", {}, ...TEST_COLUMNS.map(([name, said], column) => {
      if (column === 1) return element("th", { scope: "row" }, element("a", { href: linkTo(cell) }, said(cell)));
      return element("td", { class: ["value", "beyond limit"].includes(name) ? "number" : null,
        "data-level": column === 0 ? cell.level : null }, said(cell));
    }))));
  const more = found.length > MOST_ROWS ? `, the first ${MOST_ROWS} shown` : "";
  document.getElementById("tests-said").textContent =
    `${found.length.toLocaleString("en")} of ${DATA.cells.length.toLocaleString("en")} tests${more}`;
}

/** "#tests=failed" or "#tests=delta_ce" is a link to what a filter leaves. */
function testsFromHash() {
  if (!location.hash.startsWith("#tests=")) return;
  const text = decoded(location.hash.slice(7)), level = document.getElementById("tests-level");
  const isLevel = [...level.options].some((option) => option.value && option.value === text);
  level.value = isLevel ? text : "";
  document.getElementById("tests-text").value = isLevel ? "" : text;
  drawTests();
  document.getElementById("tests").scrollIntoView();
}

function startTests() {
  const present = Object.keys(DATA.marks).filter((level) => DATA.cells.some((cell) => cell.level === level));
  const level = document.getElementById("tests-level");
  level.append(...present.map((each) => element("option", { value: each }, each)));
  for (const [id, event] of [["tests-text", "input"], ["tests-level", "change"], ["tests-family", "change"]]) {
    document.getElementById(id).addEventListener(event, drawTests);
  }
  drawTests();
  addEventListener("hashchange", testsFromHash);
  testsFromHash();
}

/** A click on a head orders a table that the template wrote. */
function startSortable() {
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent) return;
      const button = element("button", { type: "button", class: "sort" }, head.textContent);
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        const value = (row) => row.cells[column].textContent.replace(/,/g, "").replace("−", "-");
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const [x, y] = [value(a), value(b)], numbers = [Number(x), Number(y)];
          return sign * (x && y && numbers.every(Number.isFinite) ? numbers[0] - numbers[1]
            : x.localeCompare(y, "en", { numeric: true }));
        });
        table.tHead.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        table.tBodies[0].append(...rows);
      });
      head.replaceChildren(button);
    });
  }
}
