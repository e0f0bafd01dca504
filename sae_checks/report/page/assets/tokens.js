// The tokens of a document with a figure each, and the words of an item's prompt and answer.
const SIZES = [0.05, 0.15, 0.35, 0.7]; // of the largest figures: from which step on a token is shaded
const BEFORE = 12; // tokens that lead to the first one that the cell is about
const NAMED = 5;

function wordsOf(key) {
  return key === null || key === undefined ? null : DATA.texts[key].map((at) => DATA.vocabulary[at]);
}

/** Where the figures of a cell lie among those of a document: from, to. */
function within(cell, losses) {
  const last = losses.first + losses.values.length - 1;
  const [from, to] = cell.positions ?? [losses.first, last];
  const ends = [Math.max(from, losses.first), Math.min(to, last)];
  return ends[0] > ends[1] ? [losses.first, last] : ends; // the document is elsewhere in the text
}

function signed(value, losses) {
  return `${losses.signed && value > 0 ? "+" : ""}${figure(value)}`;
}

/** A figure of each token of a document, from its first position to its last. */
function lossStrip(losses, [from, to]) {
  const values = losses.values, width = 600, height = 54, middle = 34;
  const known = values.filter((value) => value !== null);
  const most = Math.max(...known.map(Math.abs), 1e-6);
  const step = width / values.length;
  const bars = values.map((value, at) => value === null ? null : element("svg:rect", {
    x: (at * step).toFixed(2), width: Math.max(step * 0.9, 0.4).toFixed(2),
    y: (value > 0 ? middle - (value / most) * 30 : middle).toFixed(2),
    height: Math.max((Math.abs(value) / most) * (value > 0 ? 30 : 16), 0.3).toFixed(2),
    class: value > 0 ? "loss" : "gain",
  }, element("svg:title", {}, `position ${losses.first + at}: ${losses.name} ${figure(value)}`)));
  const asked = values.slice(from - losses.first, to - losses.first + 1);
  const said = `${losses.name} of ${known.length} tokens: mean ${figure(meanOf(known))}` +
    (asked.length < values.length ? `, at positions ${from} to ${to} ${figure(meanOf(asked))}` : "") +
    ` ${losses.unit}.`;
  const inside = losses.training === null ? -1 : (losses.training - losses.first) * step;
  return element("div", {},
    element("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said },
      ...bars, inside > 0 && inside < width
        ? element("svg:line", { x1: inside, x2: inside, y1: 0, y2: height, class: "training" }) : null),
    element("p", { class: "muted" }, said));
}

function meanOf(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

/** The tokens that a cell is about, shaded by sign and size, and those that lost most by name. */
function tokensOf(losses, ends) {
  const words = wordsOf(losses.words), next = losses.next ? 1 : 0;
  if (!words) {
    return element("p", { class: "muted" },
      "The words of these tokens are not there, or cannot be read: tables of before 0.8.0 have none.");
  }
  const [from, to] = ends.map((end) => end - losses.first);
  const sizes = losses.values.slice(from, to + 1).filter((value) => value !== null).map(Math.abs);
  const scale = sizes.sort((a, b) => a - b)[Math.floor(0.98 * (sizes.length - 1))] || 1e-6;
  const start = Math.max(0, from - BEFORE);
  const parts = start > 0 ? [element("span", { class: "muted" }, "… ")] : [];
  words.slice(start, to + next + 1).forEach((word, index) => {
    const at = start + index - next; // whose figure this token shows
    const value = at < from || at > to ? null : losses.values[at];
    parts.push(tokenOf(word, value, losses, losses.first + at, scale));
  });
  if (to + next + 1 < words.length) parts.push(element("span", { class: "muted" }, " …"));
  return element("div", {}, legendOf(losses),
    element("p", { class: "tokens", tabindex: "0", role: "group", "aria-label": "Tokens" }, ...parts),
    namedTokens(words, losses, from, to, next));
}

function legendOf(losses) {
  const about = losses.next ? "Each token by how well it was predicted" : "Each token";
  const how = losses.signed
    ? ["; ", element("span", { class: "token", "data-sign": "up", "data-size": "3" }, `${losses.name} above 0`), ", ",
      element("span", { class: "token", "data-sign": "down", "data-size": "3" }, "below 0")]
    : ["; ", element("span", { class: "token", "data-sign": "up", "data-size": "3" }, `large ${losses.name}`)];
  return element("p", { class: "muted" }, about, ...how, ". Point at one for its figure.");
}

function tokenOf(word, value, losses, position, scale) {
  if (value === null || value === undefined) return element("span", { class: "muted" }, seen(word));
  const size = SIZES.filter((step) => Math.abs(value) >= step * scale).length;
  const place = losses.next ? `predicted at position ${position}` : `position ${position}`;
  return element("span", {
    class: "token", "data-sign": value > 0 ? "up" : "down", "data-size": size,
    title: `${place}: ${losses.name} ${signed(value, losses)} ${losses.unit}`,
  }, seen(word));
}

/** Line ends are seen as such, and end the line. */
function seen(word) {
  return word.replaceAll("\n", "⏎\n");
}

/** The same in words, for those who do not see shades. */
function namedTokens(words, losses, from, to, next) {
  const places = losses.values.map((value, at) => at).filter((at) =>
    at >= from && at <= to && losses.values[at] !== null);
  places.sort((a, b) => losses.values[b] - losses.values[a]);
  return element("p", { class: "muted" }, "Largest: ", places.slice(0, NAMED).map((at) => {
    const before = words.slice(Math.max(0, at + next - 4), at + next).join("").trim();
    return `“${before ? `${seen(before)} ` : ""}[${seen(words[at + next] ?? "").trim()}]” ` +
      `${signed(losses.values[at], losses)} at ${losses.first + at}`;
  }).join("; "), ".");
}

function documentOf(cell, unit) {
  const losses = DATA.losses[unit.losses], ends = within(cell, losses);
  return element("div", { class: "losses" }, lossStrip(losses, ends), tokensOf(losses, ends));
}

/** The end of a prompt, and the answer, each token with what it lost. */
function itemOf(unit) {
  const words = wordsOf(unit.item.words), figures = new Map(unit.figures);
  const lost = figures.get("sae_ln_p") - figures.get("clean_ln_p");
  const size = Number.isFinite(lost) ? SIZES.filter((step) => Math.abs(lost) >= step).length : 0;
  const said = Number.isFinite(lost) ? `Δ ln p ${lost > 0 ? "+" : ""}${figure(lost)} nats` : "answer";
  const values = unit.item.values, losses = { name: "ΔCE", unit: "nats", signed: true, next: false };
  const known = values.slice(0, unit.item.prompt).filter((value) => value !== null).map(Math.abs);
  const scale = Math.max(...known, 1); // below one nat in all, nothing is shaded as strongly
  const prompt = words.slice(0, unit.item.prompt).map((word, at) =>
    tokenOf(word, values[at], losses, unit.item.first + at, scale));
  const answer = words.slice(unit.item.prompt).map((word, at) => {
    const value = values[unit.item.prompt + at];
    const title = value === null ? said : `ΔCE ${signed(value, losses)} nats`;
    return element("span", { title }, seen(word));
  });
  return element("div", {}, known.length ? legendOf({ ...losses, next: true }) : null,
    element("p", { class: "tokens" }, unit.item.cut ? "… " : "", ...prompt,
      element("strong", { class: "token", "data-sign": lost < 0 ? "up" : "down", "data-size": size, title: said },
        ...answer), ` (the answer: ${said})`));
}
