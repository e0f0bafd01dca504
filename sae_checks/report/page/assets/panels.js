// A panel of a figure: its axes, its marks, and its traces drawn with Plotly.
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
