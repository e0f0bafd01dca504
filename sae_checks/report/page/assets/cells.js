// One judged cell, opened from the map: deep links are "#cell=" and the id of the test.
const CELLS = new Map(DATA.cells.map((cell) => [cell.id, cell]));
const dialog = document.getElementById("cell");

function linkTo(cell) {
  return `#cell=${encodeURIComponent(cell.id)}`;
}

/** A field of a map, as the template writes those of the first one. */
function mapField(cell) {
  const value = typeof cell.value === "number" ? figure(cell.value) : "";
  return element("a", {
    class: "field", "data-level": cell.level, "data-heat": heatOf(cell), href: linkTo(cell),
    "aria-label": `${cell.saes}, ${cell.where}: ${cell.level}${value && `, ${value}`}`,
  }, element("span", { class: "mark", "aria-hidden": "true" }, DATA.marks[cell.level]),
  element("span", { class: "value", "aria-hidden": "true" }, value));
}

/** How near to its limit a value lies, or how far beyond it, in margins: as `heat` in map.py. */
function heatOf(cell) {
  if (typeof cell.value !== "number" || typeof cell.margin !== "number") return 0;
  const above = cell.max === null ? Infinity : cell.max - cell.value;
  const below = cell.min === null ? Infinity : cell.value - cell.min;
  const room = Math.min(above, below);
  const margins = cell.margin ? room / cell.margin : Math.sign(room || 1) * Infinity;
  return (margins > 0 ? [4, 2, 1, 0] : [-1, -3, -10, -100]).filter((step) => margins < step).length;
}

function rangesOf(cell) {
  const other = DATA.cells.filter((each) =>
    each.check === cell.check && each.saes === cell.saes && each.id !== cell.id);
  if (!other.length) return null;
  return element("div", {}, element("h3", {}, "The same check elsewhere in this SAE"),
    element("ul", { class: "chips" }, ...other.map((each) =>
      element("li", {}, element("a", { href: linkTo(each), class: "chip", "data-level": each.level },
        `${each.where || "all"}: ${figure(each.value)}`)))));
}

function notesOf(cell) {
  if (!cell.notes?.length) return null;
  return element("dl", {}, ...cell.notes.flatMap(([name, value]) => [
    element("dt", {}, name.replaceAll("_", " ")),
    element("dd", {}, typeof value === "number" ? figure(value) : String(value))]));
}

function restsOn(cell) {
  if (!cell.texts) return null;
  const said = `Rests on ${cell.texts.toLocaleString("en")} ${cell.unit_name}s` +
    (cell.units === cell.texts ? "" : ` of ${cell.units.toLocaleString("en")} documents`) +
    (cell.tokens ? `, ${cell.tokens.toLocaleString("en")} tokens` : "") + ".";
  return element("p", { class: "muted" }, said);
}

/** The one that weighs most is open; the others open when asked for. */
function heavyOf(cell) {
  if (!cell.heavy) return null;
  return element("div", {}, element("h3", {}, "Weighing most in it"),
    element("ol", { class: "heavy" }, ...cell.heavy.map((unit, at) => element("li", {},
      element("strong", {}, unit.name),
      unit.words && !unit.item ? element("q", {}, `${unit.words} …`) : "",
      unit.losses || unit.item ? opened(unit, cell, at === 0) : "",
      unit.figures ? element("dl", { class: "inline" }, ...unit.figures.flatMap(([name, value]) => [
        element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, figure(value))])) : ""))));
}

/** Drawn when it is opened: a text has a thousand tokens. */
function opened(unit, cell, open) {
  const draw = () => (unit.losses ? documentOf(cell, unit) : itemOf(unit));
  if (open || unit.item) return draw();
  const details = element("details", {}, element("summary", {}, "its tokens"));
  details.addEventListener("toggle", () => details.append(draw()), { once: true });
  return details;
}

function causesOf(cell) {
  const check = DATA.checks[cell.check];
  return element("dl", { class: "about" },
    element("dt", {}, "asks"), element("dd", {}, worded(check.asks || check.name)),
    ...(cell.source ? [element("dt", {}, "limit"), element("dd", {}, cell.source)] : []),
    ...(check.means ? [element("dt", {}, "where it fails, usually"), element("dd", {}, `${check.means}.`),
      element("dt", {}, "to try"), element("dd", {}, `${check.remedy}.`)] : []));
}

function fillCell(cell) {
  const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(close,
    element("p", { class: "badge", "data-level": cell.level }, `${cell.family}: ${cell.told}`),
    element("h2", { id: "cell-title", tabindex: "-1" }, cell.check),
    element("p", { class: "where" }, [cell.saes, cell.where].filter(Boolean).join(", ")),
    element("p", {}, cell.sentence),
    ...[
      cell.accepted ? element("p", {}, `Accepted: ${cell.accepted}`) : null,
      cellAxis(cell), restsOn(cell), causesOf(cell), notesOf(cell), heavyOf(cell), rangesOf(cell),
    ].filter((part) => part),
    element("p", { class: "muted" }, element("code", {}, cell.id)));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a link that somebody cut
  }
}

function openFromHash() {
  const hash = location.hash;
  const wanted = hash.startsWith("#cell=") ? CELLS.get(decoded(hash.slice(6))) : undefined;
  if (!wanted) {
    if (dialog.open) dialog.close();
    return;
  }
  fillCell(wanted);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  document.getElementById("cell-title").focus();
}

function startCells() {
  let before = null;
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#cell="]');
    if (link && !dialog.contains(link)) before = link;
  });
  dialog.addEventListener("close", () => {
    if (location.hash.startsWith("#cell=")) history.replaceState(null, "", "#verdict");
    before?.focus();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  addEventListener("hashchange", openFromHash);
  openFromHash();
}
