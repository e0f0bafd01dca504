// A trace of a figure as Plotly's traces, by its kind.
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
