// The two charts: drawn by Vega from histogram.json and scatter.json without compiling code, as the page's policy demands.
const POINTS = 1500;
const SELECTS = ["entity", "measure", "axis"];
let brushing = false;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(["paper", "soft", "rule", "crash", "all", "chosen", "rest"].map((name) => [name, of(name)]));
}

// The brush says nothing to a screen reader: the range control does.
function silentBrush(drawing) {
  for (const mark of drawing.marks) if (mark.name.startsWith("brush_")) mark.aria = false;
  return drawing;
}

async function draw(id, spec, params, description) {
  const colour = colours();
  const font = getComputedStyle(document.body).fontFamily;
  const axis = { labelColor: colour.soft, domainColor: colour.rule, tickColor: colour.rule, gridColor: colour.rule, labelFontSize: 12 };
  const known = { ...params, colours: colour };
  const own = { ...spec, description, params: [...spec.params, { name: "colours", value: colour }] };
  own.params = own.params.map((param) => ({ ...param, value: known[param.name] ?? param.value }));
  own.config = { font, axis, view: { stroke: null } };
  charts[id]?.finalize();
  const options = { mode: "vega-lite", renderer: "svg", ast: true, actions: false, tooltip: false, defaultStyle: false };
  const made = await vegaEmbed(byId(id), own, { ...options, patch: silentBrush });
  charts[id] = made;
  return made.view;
}

async function drawHistogram() {
  const { edges } = resultOf(state.entity, state.measure);
  const sign = state.measure === "terminal_return" ? 1 : -1;
  byId("beyond").hidden = sign < 0;
  const title = `Histogram: ${data.measures[state.measure]}, ${data.names[state.entity]}, chosen futures over all. The chances follow below.`;
  await draw("histogram", data.histogram, { sign, domain: [edges[0], edges[edges.length - 1]] }, title);
  fillHistogram();
}

function fillHistogram() {
  if (!charts.histogram) return;
  const { values, edges, events } = resultOf(state.entity, state.measure);
  const [all, chosen] = [EVERYONE, state.chosen].map((which) => binned(values, edges, which));
  const bins = all.map((c, i) => ({ from: edges[i], to: edges[i + 1], all: c / n, chosen: state.left ? chosen[i] / state.left : 0 }));
  const middle = (edges[0] + edges[edges.length - 1]) / 2;
  const marked = events.filter((event) => event.mark && event.at <= edges[edges.length - 1]);
  const marks = marked.map((event, line) => ({ ...event, line, right: event.at > middle, real: Boolean(event.real) }));
  const highest = Math.max(...bins.map((bin) => Math.max(bin.all, bin.chosen)));
  const view = charts.histogram.view.data("bins", bins).data("marks", marks);
  view.signal("top", highest * (1.04 + 0.09 * marks.length)).signal("faint", state.left < data.few ? 0.35 : 0.9).run();
}

async function drawScatter() {
  const control = controls[state.axis];
  const { values } = resultOf(state.entity, state.measure);
  const sorted = values.slice(0, POINTS).sort();
  const sign = state.measure === "terminal_return" ? 1 : -1;
  const up = sign < 0 ? [0, Math.min(1, sorted[sorted.length - 1] * 1.05)] : [-1, sorted[Math.floor(0.97 * sorted.length)]];
  const title = `Scatter: ${control.name} against ${data.measures[state.measure]}. Its range control chooses the same futures.`;
  const mark = { fill: colours().chosen, fillOpacity: 0.13, stroke: colours().chosen, strokeOpacity: 0.6 };
  data.scatter.layer[0].params[0].select.mark = mark;
  const view = await draw("scatter", data.scatter, { sign, up, across: [control.at(0), control.at(control.count)] }, title);
  view.addResizeListener(() => setTimeout(followRange));
  view.addSignalListener("brush", (_, { assumption }) => brushed(control, assumption));
  fillScatter();
}

// A brush under someone's pointer sets the range; one that follows the range does not.
function brushed(control, x) {
  if (!brushing) return;
  if (x && x[0] !== x[1]) setRange(control, ...[Math.min(...x), Math.max(...x)].map((end) => nearest(control, end)));
  else setRange(control, 0, control.count);
  choose({ fromBrush: true });
}

function fillScatter() {
  if (!charts.scatter) return;
  const [control, { values }] = [controls[state.axis], resultOf(state.entity, state.measure)];
  const points = [];
  for (let i = 0; i < Math.min(n, POINTS); i += 1) {
    points.push({ assumption: control.values[i], result: values[i], chosen: state.chosen[i] === 1 });
  }
  charts.scatter.view.data("points", points).data("middle", middles(control, values)).data("limits", control.marks).run();
}

// Median result by tenth of the assumption, of the futures that all other ranges choose.
function middles(control, values) {
  const chosen = within(control);
  const [low, high] = [control.at(0), control.at(control.count)];
  const groups = Array.from({ length: 10 }, () => []);
  for (let i = 0; i < n; i += 1) {
    if (chosen[i]) groups[Math.min(Math.floor((10 * (control.values[i] - low)) / (high - low)), 9)].push(values[i]);
  }
  const median = (group) => group.sort((a, b) => a - b)[Math.floor(group.length / 2)];
  const all = groups.map((group, k) => ({ assumption: low + ((k + 0.5) * (high - low)) / 10, result: median(group), size: group.length }));
  return all.filter((row) => row.size >= 20);
}

function followRange() {
  if (!charts.scatter) return;
  const control = controls[state.axis];
  const { view } = charts.scatter;
  const scale = view.scale("x");
  view.signal("brush_x", narrowed(control) ? [scale(control.at(control.from)), scale(control.at(control.to))] : [0, 0]).run();
}

// ---------------------------------------------------------------- what people do

function choose({ fromBrush = false } = {}) {
  state.chosen = within();
  state.left = total(state.chosen);
  showWords();
  showTable();
  showControls();
  showCommand();
  keepInAddress();
  fillHistogram();
  fillScatter();
  if (!fromBrush) followRange();
}

function endBrush() {
  if (!brushing) return;
  brushing = false;
  followRange();
}

// ---------------------------------------------------------------- the address

// The choice as the end of the address, so that a link or a bookmark keeps it; browsers limit how often that changes.
let keeping = 0;
function keepInAddress() {
  clearTimeout(keeping);
  keeping = setTimeout(writeAddress, 300);
}

function writeAddress() {
  const words = new URLSearchParams();
  for (const id of SELECTS) if (byId(id).selectedIndex) words.set(id, byId(id).value);
  for (const c of controls.filter(narrowed)) words.set(c.key, `${numberAt(c, c.from)}..${numberAt(c, c.to)}`);
  history.replaceState(null, "", words.size ? `#${words}` : "#");
}

function takeFromAddress() {
  const words = new URLSearchParams(location.hash.slice(1));
  for (const id of SELECTS) {
    const options = [...byId(id).options].map((option) => option.value);
    byId(id).value = options.includes(words.get(id)) ? words.get(id) : options[0];
  }
  for (const control of controls) {
    const ends = (words.get(control.key) ?? "").split("..").map(parseFloat);
    const given = ends.length === 2 && ends.every(Number.isFinite);
    setRange(control, ...(given ? ends.map((end) => nearest(control, end)) : [0, control.count]));
  }
}

async function redraw() {
  [state.entity, state.measure, state.axis] = [byId("entity").value, byId("measure").value, byId("axis").selectedIndex];
  for (const option of byId("measure").options) option.disabled = !(option.value in data.results[state.entity]);
  if (!(state.measure in data.results[state.entity])) state.measure = byId("measure").value = "max_drawdown";
  await Promise.all([drawHistogram(), drawScatter()]);
  choose();
}

let waiting = false;
function soon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    choose();
  });
}

function listen() {
  controls.forEach((control) => {
    const [from, to] = control.box.querySelectorAll("input");
    from.addEventListener("input", () => (setRange(control, Math.min(Number(from.value), control.to - 1), control.to), soon()));
    to.addEventListener("input", () => (setRange(control, control.from, Math.max(Number(to.value), control.from)), soon()));
    for (const mark of control.box.querySelectorAll(".mark")) {
      const place = (mark.dataset.value - control.at(0)) / (control.at(control.count) - control.at(0));
      mark.style.setProperty("--at", place);
    }
    control.box.querySelector(".all").setAttribute("d", outline(shape(control, EVERYONE)));
  });
  for (const id of SELECTS) byId(id).addEventListener("change", redraw);
  byId("reset").addEventListener("click", () => {
    for (const control of controls) setRange(control, 0, control.count);
    choose();
  });
  byId("copy").addEventListener("click", copyCommand);
  byId("scatter").addEventListener("pointerdown", () => (brushing = true), { capture: true });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(endBrush));
  addEventListener("hashchange", () => (takeFromAddress(), redraw()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

listen();
takeFromAddress();
redraw().then(() => {
  document.documentElement.dataset.ready = Math.round(performance.now());
});
