"use strict";
// The page's data, and the columns of its tables.
const DATA = JSON.parse(document.getElementById("data").textContent);

/** A column of a table as an array: text is stored as words and where each stands. */
function column(table, name) {
  const values = DATA.data[table][name];
  // Every trace of a figure asks for its columns: the array is made once.
  return Array.isArray(values) ? values : (values.all ??= values.index.map((at) => values.words[at]));
}

/** The rows of a trace: from, to (or null), every n-th. */
function taken(values, [start, stop, step]) {
  const rows = values.slice(start, stop === null ? undefined : stop);
  return step === 1 ? rows : rows.filter((_, index) => index % step === 0);
}

/** What `packed` in write.py packed. */
async function unpacked(text) {
  const signs = atob(text), bytes = new Uint8Array(signs.length);
  // A loop: `Uint8Array.from` takes ten times as long.
  for (let at = 0; at < signs.length; at += 1) bytes[at] = signs.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** An element with attributes and children; text stays text. */
function element(name, attributes = {}, ...children) {
  const made = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// One for all: a number that makes its own, as toLocaleString does, takes twenty times as long.
const DIGITS = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** Four significant digits. */
function figure(value) {
  if (value === null || value === undefined) return "undefined";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(3);
  return DIGITS.format(value);
}
