// The estimate, its interval, the limit and its margin on one axis.
const WIDTH = 640, HEIGHT = 96, LEFT = 20, RIGHT = 620, MIDDLE = 40;

function cellAxis(cell) {
  const ends = [cell.value, cell.low, cell.high, ...(cell.adjusted ?? []), cell.min, cell.max];
  if (cell.max !== null) ends.push(cell.max + (cell.margin ?? 0));
  if (cell.min !== null) ends.push(cell.min - (cell.margin ?? 0));
  const known = ends.filter((end) => typeof end === "number");
  if (typeof cell.value !== "number" || known.length < 2) return null;
  const log = known.every((end) => end > 0) && Math.max(...known) / Math.min(...known) > 50;
  const scaled = log ? Math.log10 : (value) => value;
  const low = Math.min(...known.map(scaled)), high = Math.max(...known.map(scaled));
  const pad = (high - low || Math.abs(high) || 1) * 0.08;
  const at = (value) =>
    LEFT + ((scaled(value) - low + pad) / (high - low + 2 * pad)) * (RIGHT - LEFT);
  const left = (value) => (typeof value === "number" ? at(value) : LEFT);
  const right = (value) => (typeof value === "number" ? at(value) : RIGHT);
  const line = (x1, x2, y, kind) =>
    element("svg:line", { x1, x2, y1: y, y2: y, class: kind });
  const drawn = [line(LEFT, RIGHT, MIDDLE + 18, "base")];
  const zone = (from, to, kind) => element("svg:rect",
    { x: Math.min(from, to), width: Math.abs(to - from), y: 14, height: MIDDLE + 4, class: kind });
  if (cell.min !== null || cell.max !== null) {
    const from = cell.min === null ? LEFT : at(cell.min);
    const to = cell.max === null ? RIGHT : at(cell.max);
    drawn.push(zone(from, to, "allowed"));
    if (cell.max !== null) drawn.push(zone(at(cell.max), at(cell.max + cell.margin), "margin"));
    if (cell.min !== null && (!log || cell.min - cell.margin > 0)) {
      drawn.push(zone(at(cell.min - cell.margin), at(cell.min), "margin"));
    }
    for (const end of [cell.min, cell.max].filter((each) => each !== null)) {
      drawn.push(
        element("svg:line", { x1: at(end), x2: at(end), y1: 10, y2: MIDDLE + 22, class: "limit" }),
        label(at(end), 9, `limit ${figure(end)}`));
    }
  }
  drawn.push(line(left(cell.adjusted?.[0]), right(cell.adjusted?.[1]), MIDDLE, "adjusted"));
  drawn.push(line(left(cell.low), right(cell.high), MIDDLE, "interval"));
  drawn.push(element("svg:circle", { cx: at(cell.value), cy: MIDDLE, r: 5, class: "value" }));
  drawn.push(label(at(cell.value), MIDDLE + 36, `${figure(cell.value)} ${cell.unit}`));
  const said = `value ${figure(cell.value)}, interval ${figure(cell.low)} to ${figure(cell.high)}` +
    (cell.max !== null ? `, at most ${figure(cell.max)}` : "") +
    (cell.min !== null ? `, at least ${figure(cell.min)}` : "") +
    (cell.margin ? `, margin ${figure(cell.margin)}` : "");
  return element("svg:svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "axis", role: "img", "aria-label": said },
    element("svg:title", {}, said), ...drawn,
    element("svg:text", { x: RIGHT, y: HEIGHT - 4, class: "scale" }, log ? "log scale" : ""));
}

function label(x, y, text) {
  const anchor = x < 80 ? "start" : x > WIDTH - 80 ? "end" : "middle";
  return element("svg:text", { x, y, "text-anchor": anchor, class: "label" }, text);
}
