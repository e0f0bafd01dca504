startWords();
startFigures();
if (document.getElementById("map")) {
  startMap();
  startStrip();
  startTests();
}
startSortable();
startCells();
for (const button of document.querySelectorAll("button[data-table]")) {
  button.addEventListener("click", () => saveCsv(button.dataset.table));
}
