// One judged cell, opened from the map: deep links are "#cell=" and the id of the test.
const CELLS = new Map(DATA.cells.map((cell) => [cell.id, cell]));
const dialog = document.getElementById("cell");

function cellLink(cell, text) {
  return element("a", { href: `#cell=${encodeURIComponent(cell.id)}` }, text ?? cell.id);
}

function rangesOf(cell) {
  const other = DATA.cells.filter((each) =>
    each.check === cell.check && each.saes === cell.saes && each.id !== cell.id &&
    each.task === cell.task);
  if (!other.length) return null;
  return element("div", {}, element("h3", {}, "Elsewhere in the same SAE"),
    element("ul", { class: "chips" }, ...other.map((each) =>
      element("li", {}, element("a", {
        href: `#cell=${encodeURIComponent(each.id)}`, class: "chip", "data-outcome": each.outcome,
      }, `${each.where || "all"}: ${figure(each.value)}`)))));
}

function notesOf(cell) {
  if (!cell.notes?.length) return null;
  return element("dl", {}, ...cell.notes.flatMap(([name, value]) => [
    element("dt", {}, name.replaceAll("_", " ")),
    element("dd", {}, typeof value === "number" ? figure(value) : String(value))]));
}

function restsOn(cell) {
  if (!cell.texts) return null;
  const said = `rests on ${cell.texts.toLocaleString("en")} ${cell.unit_name}s` +
    (cell.units === cell.texts ? "" : ` of ${cell.units.toLocaleString("en")} documents`) +
    (cell.tokens ? `, ${cell.tokens.toLocaleString("en")} tokens` : "");
  return element("p", { class: "muted" }, said);
}

function fillCell(cell) {
  const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(close,
    element("p", { class: "badge", "data-outcome": cell.outcome }, cell.told),
    element("h2", { id: "cell-title", tabindex: "-1" }, cell.check),
    element("p", { class: "where" }, [cell.saes, cell.where].filter(Boolean).join(", ")),
    element("p", {}, cell.sentence),
    cell.accepted ? element("p", {}, `accepted: ${cell.accepted}`) : "",
    cellAxis(cell) ?? "",
    restsOn(cell) ?? "",
    cell.source ? element("p", { class: "muted" }, `limit: ${cell.source}`) : "",
    notesOf(cell) ?? "",
    rangesOf(cell) ?? "");
}

function openFromHash() {
  const wanted = location.hash.startsWith("#cell=")
    ? CELLS.get(decodeURIComponent(location.hash.slice(6))) : undefined;
  if (!wanted) {
    if (dialog.open) dialog.close();
    return;
  }
  fillCell(wanted);
  if (!dialog.open) dialog.showModal();
  document.getElementById("cell-title").focus();
}

function startCells() {
  dialog.addEventListener("close", () => {
    if (location.hash.startsWith("#cell=")) history.replaceState(null, "", "#verdict");
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  addEventListener("hashchange", openFromHash);
  openFromHash();
}
