// A figure's data as a file.

/** All of a figure's table as a file. */
function csvLink(figure) {
  const button = element("button", { type: "button", class: "csv" }, "data as CSV");
  button.setAttribute("aria-label", `${figure.title}: data as CSV`);
  button.addEventListener("click", () => saveCsv(figure.data));
  return button;
}

function saveCsv(table) {
  const link = element("a", {
    href: URL.createObjectURL(new Blob([csvOf(table)], { type: "text/csv" })),
    download: `${table}.csv`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function csvOf(table) {
  const names = Object.keys(DATA.data[table]);
  const columns = names.map((name) => column(table, name));
  const quoted = (value) => {
    if (value === null) return "";
    // Text that a spreadsheet would take for a formula is kept from it; numbers are none.
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rows = columns[0].map((_, row) => columns.map((each) => quoted(each[row])).join(","));
  return [names.map(quoted).join(","), ...rows].join("\n") + "\n";
}
