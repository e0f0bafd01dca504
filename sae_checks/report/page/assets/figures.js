// Draws the figures with Plotly, each when it first comes into view.
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x"];
// Okabe and Ito: told apart with every common kind of colour blindness.
const CATEGORIES = {
  light: ["#0072b2", "#d55e00", "#009e73", "#8a4f7d", "#6b6b6b", "#b8860b"],
  dark: ["#56b4e9", "#ff9b57", "#3fd0a4", "#e39bd3", "#b5b5b5", "#f0d060"],
};
let plotly = null;
let printing = false;

function dark() {
  return !printing && matchMedia("(prefers-color-scheme: dark)").matches;
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Plotly, unpacked and run once. */
function withPlotly() {
  plotly ??= unpacked(document.getElementById("plotly").textContent).then((code) => {
    document.head.append(Object.assign(document.createElement("script"), { textContent: code }));
    return window.Plotly;
  });
  return plotly;
}

/** From blue at the first layer to red at the last, as bright as the background asks. */
function shadeColour(shade, alpha = 1) {
  const light = dark() ? 66 : 42;
  return `hsla(${250 - 245 * shade}, 75%, ${light}%, ${alpha})`;
}

function colour(trace, alpha = 1) {
  if (trace.shade !== null) return shadeColour(trace.shade, alpha);
  const palette = CATEGORIES[dark() ? "dark" : "light"];
  const [r, g, b] = palette[trace.category % palette.length]
    .match(/\w\w/g)
    .map((pair) => parseInt(pair, 16));
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

function order(trace) {
  return trace.shade === null ? trace.category : Math.round(trace.shade * 12);
}

/** Value and interval of each row, for the reader who points at it. */
function hover(trace, table) {
  const get = (name) => taken(column(table, name), trace.rows);
  const text = trace.text ? get(trace.text) : null;
  const ends = trace.low ? [get(trace.low), get(trace.high)] : null;
  const values = get(trace.y);
  return values.map((value, at) => {
    const parts = [`${trace.name}: ${figure(value)}`];
    if (ends) parts.push(`(${figure(ends[0][at])} to ${figure(ends[1][at])})`);
    if (text) parts.push(text[at]);
    return escaped(parts.join(" "));
  });
}

/** Plotly reads a few tags in text: none of ours has any. */
function escaped(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** Values along an axis: names are shown as they are, numbers stay. */
function along(values, axis) {
  return axis.categories.length ? values.map(escaped) : values;
}

const DRAWN = {
  line(trace, table, panel) {
    const get = (name) => taken(column(table, name), trace.rows);
    const shared = { x: along(get(trace.x), panel.x), type: "scatter" };
    // What is not above 0 has no place on a logarithmic axis.
    const floor = Math.min(...get(trace.y).filter((value) => value > 0)) / 3;
    const drawable = (values) => panel.y.log ? values.map((value) => (value > 0 ? value : null)) : values;
    const line = {
      ...shared,
      y: drawable(get(trace.y)),
      name: escaped(trace.name),
      mode: shared.x.length > 40 ? "lines" : "lines+markers",
      line: { color: colour(trace), width: 1.8, dash: DASHES[order(trace) % DASHES.length] },
      marker: { color: colour(trace), size: 6, symbol: SYMBOLS[order(trace) % SYMBOLS.length] },
      text: hover(trace, table),
      hovertemplate: "%{x}<br>%{text}<extra></extra>",
    };
    if (!trace.low) return [line];
    const edge = { ...shared, mode: "lines", line: { width: 0 }, showlegend: false, hoverinfo: "skip" };
    const ends = (name) => get(name).map((end, at) =>
      end === null ? line.y[at] : panel.y.log ? Math.max(end, floor) : end);
    return [
      line,
      { ...edge, y: ends(trace.high) },
      { ...edge, y: ends(trace.low), fill: "tonexty", fillcolor: colour(trace, 0.12) },
    ];
  },
  points(trace, table, panel) {
    const get = (name) => taken(column(table, name), trace.rows);
    const drawn = {
      x: along(get(trace.x), panel.x),
      y: get(trace.y),
      name: escaped(trace.name),
      type: "scatter",
      mode: "markers",
      marker: {
        color: colour(trace, 0.6),
        size: get(trace.x).length > 150 ? 4.5 : 8,
        symbol: SYMBOLS[order(trace) % SYMBOLS.length],
      },
      text: hover(trace, table),
      hovertemplate: "%{x}<br>%{text}<extra></extra>",
    };
    if (trace.low) {
      const high = get(trace.high), low = get(trace.low);
      drawn.error_y = {
        type: "data",
        symmetric: false,
        array: high.map((end, at) => (end === null ? 0 : end - drawn.y[at])),
        arrayminus: low.map((end, at) => (end === null ? 0 : drawn.y[at] - end)),
        thickness: 1.2,
        width: 3,
        color: colour(trace),
      };
    }
    return [drawn];
  },
  bars(trace, table) {
    const get = (name) => taken(column(table, name), trace.rows);
    return [{
      x: get(trace.x),
      y: get(trace.y),
      name: escaped(trace.name),
      type: "bar",
      marker: { color: colour(trace, 0.75) },
      text: hover(trace, table),
      textposition: "none",
      hovertemplate: "%{x}<br>%{text}<extra></extra>",
    }];
  },
  heat(trace, table, panel) {
    const get = (name) => taken(column(table, name), trace.rows);
    const xs = panel.x.categories, ys = panel.y.categories;
    const grid = ys.map(() => xs.map(() => null));
    const said = ys.map(() => xs.map(() => ""));
    const [x, y, z] = [get(trace.x), get(trace.y), get(trace.z)];
    const text = trace.text ? get(trace.text) : null;
    z.forEach((value, at) => {
      grid[ys.indexOf(y[at])][xs.indexOf(x[at])] = value;
      said[ys.indexOf(y[at])][xs.indexOf(x[at])] = escaped(text ? text[at] : figure(value));
    });
    const most = Math.max(...z.filter((value) => value !== null).map(Math.abs), 1e-9);
    return [{
      x: xs.map(escaped), y: ys.map(escaped), z: grid, text: said, type: "heatmap",
      name: escaped(trace.name),
      hovertemplate: "%{y}<br>%{x}<br>%{text}<extra></extra>",
      colorscale: panel.symmetric ? "RdBu" : "Viridis",
      ...(panel.symmetric ? { zmin: -most, zmax: most } : {}),
      colorbar: { thickness: 10, outlinewidth: 0 },
      hoverongaps: false,
    }];
  },
  parallel(trace, table) {
    const columns = trace.columns.map(([name]) => taken(column(table, name), trace.rows));
    const x = [], y = [];
    columns[0].forEach((_, row) => {
      trace.columns.forEach(([, name], at) => {
        x.push(escaped(name));
        y.push(columns[at][row]);
      });
      x.push(null);
      y.push(null);
    });
    return [{
      x, y, type: "scatter", mode: "lines", name: escaped(trace.name), connectgaps: false,
      line: { color: colour(trace, 0.28), width: 1 }, hoverinfo: "skip",
    }];
  },
};

function markShape(mark) {
  const colours = { limit: style("--bad"), training: style("--ink"), reference: style("--muted") };
  const across = mark.axis === "x"
    ? { x0: mark.at, x1: mark.at, yref: "paper", y0: 0, y1: mark.kind === "usable" ? 0.06 : 1 }
    : { y0: mark.at, y1: mark.at, xref: "paper", x0: 0, x1: 1 };
  return {
    type: "line",
    ...across,
    line: {
      color: mark.shade === null ? colours[mark.kind] : shadeColour(mark.shade),
      width: mark.kind === "usable" ? 3 : 1.2,
      dash: mark.kind === "limit" ? "dash" : mark.kind === "usable" ? "solid" : "dot",
    },
  };
}

function markLabel(mark, axis) {
  if (mark.kind === "usable") return null;
  const at = axis.log ? Math.log10(mark.at) : mark.at;
  const place = mark.axis === "x"
    ? { x: at, yref: "paper", y: 1, yanchor: "bottom", xanchor: "middle" }
    : { y: at, xref: "paper", x: 1, xanchor: "right", yanchor: "bottom" };
  return { ...place, text: escaped(mark.label), showarrow: false, font: { size: 10 } };
}

function axisOf(axis) {
  const ink = style("--ink"), line = style("--line");
  const made = {
    title: { text: escaped(axis.title), font: { size: 12 } },
    gridcolor: line, zerolinecolor: line, linecolor: line, color: ink, automargin: true,
    type: axis.categories.length ? "category" : axis.log ? "log" : "linear",
  };
  if (axis.log) Object.assign(made, { dtick: 1, exponentformat: "power" });
  if (axis.categories.length) {
    Object.assign(made, { categoryorder: "array", categoryarray: axis.categories.map(escaped) });
  }
  if (axis.ticks.length) {
    Object.assign(made, { tickvals: axis.ticks.map(([at]) => at), ticktext: axis.ticks.map(([, name]) => escaped(name)) });
  }
  return made;
}

function layoutOf(panel, choice) {
  const marks = panel.marks.filter((mark) => !mark.choice || mark.choice === choice);
  const ink = style("--ink");
  const layout = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, size: 11, family: "system-ui, sans-serif" },
    margin: { l: 60, r: 12, t: 30, b: 46 },
    showlegend: false,
    hovermode: "closest",
    barmode: "group",
    xaxis: axisOf(panel.x), yaxis: axisOf(panel.y),
    shapes: marks.filter((mark) => !(axisFor(panel, mark).log && mark.at <= 0)).map(markShape),
    annotations: marks
      .filter((mark) => !(axisFor(panel, mark).log && mark.at <= 0))
      .map((mark) => markLabel(mark, axisFor(panel, mark)))
      .filter((label) => label),
  };
  if (panel.traces.some((trace) => trace.kind === "heat")) layout.yaxis.autorange = "reversed";
  if (panel.marginals) {
    layout.xaxis.domain = [0, 0.82];
    layout.yaxis.domain = [0, 0.82];
    layout.xaxis2 = { domain: [0.84, 1], showticklabels: false, showgrid: false, zeroline: false };
    layout.yaxis2 = { domain: [0.84, 1], showticklabels: false, showgrid: false, zeroline: false };
    layout.barmode = "overlay";
  }
  return layout;
}

function axisFor(panel, mark) {
  return mark.axis === "x" ? panel.x : panel.y;
}

/** How the points of a trace are spread along both axes, at the edges. */
function marginalsOf(traces) {
  return traces.flatMap((trace) => {
    const shared = {
      type: "histogram", showlegend: false, hoverinfo: "skip", opacity: 0.55,
      marker: { color: trace.marker.color }, legendgroup: trace.name,
    };
    return [
      { ...shared, x: trace.x, yaxis: "y2" },
      { ...shared, y: trace.y, xaxis: "x2" },
    ];
  });
}

function drawPanel(Plotly, place, figure, panel, holder) {
  const choice = holder.querySelector("select.choice")?.value ?? "";
  const hidden = new Set([...holder.querySelectorAll(".key[aria-pressed=false]")].map((each) => each.dataset.name));
  const chosen = panel.traces.filter((trace) =>
    (!trace.choice || trace.choice === choice) && !hidden.has(trace.name));
  const traces = chosen.flatMap((trace) => DRAWN[trace.kind](trace, figure.data, panel));
  if (panel.marginals) traces.push(...marginalsOf(traces));
  return Plotly.react(place, traces, layoutOf(panel, choice), { displayModeBar: false, responsive: true });
}

function figureOf(holder) {
  return DATA.figures.find((each) => each.name === holder.dataset.figure);
}

function drawFigure(Plotly, holder) {
  const figure = figureOf(holder);
  const places = [...holder.querySelectorAll(".panel")];
  return Promise.all(figure.panels.map((panel, index) =>
    drawPanel(Plotly, places[index], figure, panel, holder))).then(() => { holder.dataset.drawn = "yes"; });
}

/** A figure, unless it is drawn or is being drawn: whoever asks first draws it. */
const begun = new Map();
function drawOnce(holder) {
  if (!begun.has(holder)) {
    const drawn = withPlotly().then((Plotly) => drawFigure(Plotly, holder));
    begun.set(holder, drawn.catch((error) => { begun.delete(holder); console.error(error); }));
  }
  return begun.get(holder);
}

/** Names and signs of the traces; each can be left out. */
function legend(holder, figure) {
  const traces = new Map();
  for (const trace of figure.panels.flatMap((panel) => panel.traces)) {
    if (trace.kind !== "heat" && !traces.has(trace.name)) traces.set(trace.name, trace);
  }
  if (traces.size < 2) return null;
  const keys = [...traces.values()].map((trace) => {
    const key = element("button",
      { type: "button", class: "key", "aria-pressed": "true", "data-name": trace.name },
      sign(trace), trace.name);
    key.addEventListener("click", () => {
      key.setAttribute("aria-pressed", key.getAttribute("aria-pressed") === "true" ? "false" : "true");
      withPlotly().then((Plotly) => drawFigure(Plotly, holder));
    });
    return key;
  });
  return element("div", { class: "legend", role: "group", "aria-label": "Shown or left out" }, ...keys);
}

function sign(trace) {
  const pattern = { solid: "", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3", longdash: "11 4" };
  const drawn = trace.kind === "line" || trace.kind === "parallel"
    ? element("svg:line", { x1: 1, x2: 25, y1: 6, y2: 6, "stroke-width": 2.5,
      "stroke-dasharray": pattern[DASHES[order(trace) % DASHES.length]] })
    : element("svg:rect", { x: 8, y: 1, width: 10, height: 10 });
  const made = element("svg:svg", { width: 26, height: 12, "aria-hidden": "true" }, drawn);
  made.style.stroke = made.style.fill = colour(trace);
  return made;
}

function redrawAll() {
  if (!plotly) return;
  withPlotly().then((Plotly) => {
    document.querySelectorAll("figure[data-drawn]").forEach((each) => drawFigure(Plotly, each));
  });
}

function chooser(holder, figure) {
  const id = `choice-${figure.name}`;
  const select = element("select", { class: "choice", id },
    ...figure.choices.map((choice) => element("option", { value: choice }, choice)));
  select.addEventListener("change", () => withPlotly().then((P) => drawFigure(P, holder)));
  return element("p", { class: "chooser" }, element("label", { for: id }, "Shown: "), select);
}

function startFigures() {
  const holders = [...document.querySelectorAll("figure[data-figure]")];
  for (const holder of holders) {
    const figure = figureOf(holder), panels = holder.querySelector(".panels");
    if (figure.choices.length) panels.before(chooser(holder, figure));
    const keys = legend(holder, figure);
    if (keys) panels.before(keys);
    panels.append(...figure.panels.map((panel) => element("div", { class: "panel-box" },
      element("h4", {}, worded(panel.title)), element("div", { class: "panel" }))));
    holder.querySelector("figcaption").append(" ", csvLink(figure));
  }
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      seen.unobserve(entry.target);
      drawOnce(entry.target);
    }
  }, { rootMargin: "400px" });
  holders.forEach((holder) => seen.observe(holder));
  addEventListener("load", () => drawByAndBy([...holders]));
  if (location.hash.startsWith("#figure-")) {
    const wanted = document.getElementById(decoded(location.hash.slice(1)));
    if (wanted?.dataset.figure) drawOnce(wanted);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
  addEventListener("beforeprint", () => { printing = true; redrawAll(); });
  addEventListener("afterprint", () => { printing = false; redrawAll(); });
}

/** One figure at a time while nothing else is to do, so that all of them are there to be printed. */
function drawByAndBy([next, ...others]) {
  const whenIdle = window.requestIdleCallback ?? ((draw) => setTimeout(draw, 50)); // Safari has none
  if (next) whenIdle(() => {
    drawOnce(next).then(() => drawByAndBy(others));
  });
}

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
