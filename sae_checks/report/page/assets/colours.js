// How traces are told apart, on light and dark ground and on paper.
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x"];
// Okabe and Ito: told apart with every common kind of colour blindness.
const CATEGORIES = {
  light: ["#0072b2", "#d55e00", "#009e73", "#8a4f7d", "#6b6b6b", "#b8860b"],
  dark: ["#56b4e9", "#ff9b57", "#3fd0a4", "#e39bd3", "#b5b5b5", "#f0d060"],
};
let printing = false; // set while the page is printed, on paper that is light

function dark() {
  return !printing && matchMedia("(prefers-color-scheme: dark)").matches;
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
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
