// Draws the figures with Plotly, each when it first comes into view.
let plotly = null;

/** Plotly, unpacked and run once. */
function withPlotly() {
  plotly ??= unpacked(document.getElementById("plotly").textContent).then((code) => {
    document.head.append(Object.assign(document.createElement("script"), { textContent: code }));
    return window.Plotly;
  });
  return plotly;
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
