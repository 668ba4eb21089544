// The page: which futures are chosen, what is said of them, and what the two charts draw.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

const controls = data.controls.map((control, i) => ({
  ...control,
  values: floats(control.values),
  box: document.querySelector(`[data-control="${i}"]`),
  from: 0,
  to: control.count,
  at: (position) => (control.low + position * control.step) / 10 ** control.digits,
}));
const numberAt = (control, position) => control.at(position).toFixed(control.digits);
const narrowed = (control) => control.from > 0 || control.to < control.count;
const n = data.paths;
const state = { entity: "", measure: "", axis: 0, chosen: new Uint8Array(n), left: n };
let charts = {};

// ---------------------------------------------------------------- the choice

// Which paths are within every range but that of `except`.
function within(except) {
  const chosen = new Uint8Array(n).fill(1);
  for (const control of controls) {
    if (control === except || !narrowed(control)) continue;
    const [low, high, { values }] = [control.at(control.from), control.at(control.to), control];
    for (let i = 0; i < n; i += 1) if (values[i] < low || values[i] > high) chosen[i] = 0;
  }
  return chosen;
}

const total = (chosen) => chosen.reduce((sum, one) => sum + one, 0);

const decoded = new Map();
function resultOf(entity, measure) {
  const key = `${entity} ${measure}`;
  if (!decoded.has(key)) {
    const result = data.results[entity][measure];
    decoded.set(key, { ...result, values: floats(result.values) });
  }
  return decoded.get(key);
}

const reaches = ({ at, below }) => (below ? (x) => x <= at : (x) => x >= at);

function hits(values, test, chosen) {
  let found = 0;
  for (let i = 0; i < n; i += 1) if (chosen[i] && test(values[i])) found += 1;
  return found;
}

// Futures by bin; the last bin holds what is beyond it too.
function binned(values, edges, chosen) {
  const counts = new Array(edges.length - 1).fill(0);
  const width = (edges[edges.length - 1] - edges[0]) / counts.length;
  for (let i = 0; i < n; i += 1) {
    if (!chosen[i]) continue;
    let bin = Math.min(Math.max(Math.floor((values[i] - edges[0]) / width), 0), counts.length - 1);
    while (bin > 0 && values[i] < edges[bin]) bin -= 1;
    while (bin < counts.length - 1 && values[i] >= edges[bin + 1]) bin += 1;
    counts[bin] += 1;
  }
  return counts;
}

// ---------------------------------------------------------------- words

const EVERYONE = new Uint8Array(n).fill(1);

const unbroken = (text) => text.replaceAll(" %", "\u00a0%");

function showWords() {
  const few = state.left < data.few;
  const fall = data.falls[state.entity];
  const depths = resultOf(state.entity, "max_drawdown").values;
  const deep = reaches({ at: fall.depth });
  byId("left").textContent = `${count(state.left)} of ${count(n)} futures`;
  byId("few").hidden = !few;
  byId("few").textContent = few ? tooFew() : "";
  const reached = hits(depths, deep, state.chosen);
  const of = !few && probability(reached, state.left);
  byId("chance").textContent = few ? "" : `: ${share(of)} ${errorText(of)} fall as after 2000`;
  const all = verdict(hits(depths, deep, EVERYONE), n, fall.words, data.sentences);
  byId("verdict").textContent = few
    ? `Too few futures to say: ${count(state.left)} of ${count(n)} are within these ranges.`
    : unbroken(verdict(reached, state.left, fall.words, data.sentences));
  byId("of-all").textContent = state.left === n ? "Every future counts: no range is narrowed yet." : unbroken(`Of all: ${all}`);
  byId("reset").disabled = !controls.some(narrowed);
}

function tooFew() {
  const half = percent(1.96 * Math.sqrt((0.3 * 0.7) / Math.max(state.left, 1)), 0);
  const worst = state.left
    ? `With ${count(state.left)} futures a chance of 30 % is known to ±${half} at best; the limit is ${data.few}.`
    : "No simulated future lies within all ranges.";
  return `Too few. ${worst} Widen a range, or simulate more paths.`;
}

function showTable() {
  const { values, events } = resultOf(state.entity, state.measure);
  byId("events").replaceChildren(
    ...events.map((event) => {
      const test = reaches(event);
      const row = document.createElement("tr");
      if (event.real) row.className = "real";
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = unbroken(event.words);
      const of = state.left >= data.few && probability(hits(values, test, state.chosen), state.left);
      row.append(name, cell(of), cell(probability(hits(values, test, EVERYONE), n)));
      return row;
    }),
  );
}

function cell(of) {
  const made = document.createElement("td");
  if (!of) {
    made.textContent = "too few";
    return made;
  }
  const error = document.createElement("span");
  error.className = "error";
  error.textContent = errorText(of);
  made.append(`${share(of)} `, error);
  return made;
}

// ---------------------------------------------------------------- controls

function showControls() {
  controls.forEach((control) => {
    const [from, to] = control.box.querySelectorAll("input");
    const [low, high] = [numberAt(control, control.from), numberAt(control, control.to)];
    from.value = control.from;
    to.value = control.to;
    from.setAttribute("aria-valuetext", low);
    to.setAttribute("aria-valuetext", high);
    control.box.querySelector("output").textContent = `${low} to ${high}`;
    control.box.classList.toggle("narrowed", narrowed(control));
    const track = control.box.querySelector(".thumbs");
    track.style.setProperty("--from", control.from / control.count);
    track.style.setProperty("--to", control.to / control.count);
    const counts = shape(control, state.chosen);
    control.box.querySelector(".chosen").setAttribute("d", outline(counts));
  });
}

// How the chosen futures spread over a control, in 25 bins.
function shape(control, chosen) {
  const counts = new Array(25).fill(0);
  const [low, high] = [control.at(0), control.at(control.count)];
  for (let i = 0; i < n; i += 1) {
    if (chosen[i]) counts[Math.min(Math.floor((25 * (control.values[i] - low)) / (high - low)), 24)] += 1;
  }
  return counts;
}

function outline(counts) {
  const most = Math.max(...counts, 1);
  const steps = counts.map((c, i) => `V${(24 - (23 * c) / most).toFixed(1)}H${(i + 1) * 4}`);
  return `M0 24${steps.join("")}V24Z`;
}

const nearest = (control, value) => Math.round((value * 10 ** control.digits - control.low) / control.step);

// A range keeps at least one step of width.
function setRange(control, from, to) {
  control.from = Math.min(Math.max(from, 0), control.count - 1);
  control.to = Math.min(Math.max(to, control.from + 1), control.count);
}

// ---------------------------------------------------------------- the command

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

// A range as a distribution: cut by low and high where that is exact, else by its quantiles.
function narrowedTable(control) {
  const [first, last] = control.support;
  const low = control.from ? control.at(control.from) : first;
  const high = control.to < control.count ? control.at(control.to) : last;
  const inside = control.values.filter((x) => x >= low && x <= high).sort();
  if (control.truncated && inside.length >= 0.02 * n) {
    return { table: `{ ${control.truncated}, low = ${low}, high = ${high} }`, exact: true };
  }
  const quantile = (q) => Number((inside[Math.floor(q * (inside.length - 1))] ?? low).toPrecision(5));
  const [p5, p50, p95] = [Math.max(quantile(0.05), low), quantile(0.5), Math.min(quantile(0.95), high)];
  if (inside.length >= 20 && p5 < p50 && p50 < p95) {
    return { table: `{ p5 = ${p5}, p50 = ${p50}, p95 = ${p95}, low = ${low}, high = ${high} }`, exact: false };
  }
  const ends = [Math.max(control.at(control.from), first), Math.min(control.at(control.to), last)];
  return { table: `{ dist = "uniform", low = ${ends[0]}, high = ${ends[1]} }`, exact: false };
}

function showCommand() {
  const changed = controls.filter(narrowed);
  const tables = new Map(changed.map((control) => [control.key, narrowedTable(control)]));
  const kept = data.command.overrides.filter(([key]) => !tables.has(key));
  const sets = [...kept, ...[...tables].map(([key, { table }]) => [key, table])];
  const words = [...data.command.words, ...sets.flatMap(([key, value]) => ["--set", `${key}=${value}`])];
  byId("command").textContent = words.map(quoted).join(" ");
  const rough = changed.filter(({ key }) => !tables.get(key).exact).map(({ key }) => key);
  const tied = changed.filter(({ key }) => data.correlated.includes(key)).map(({ key }) => key);
  const notes = [
    rough.length && `Near, not the same: three quantiles of the range stand for ${rough.join(", ")}.`,
    tied.length && `${tied.join(", ")}: drawn together with another assumption, and the command cuts each by itself.`,
  ];
  byId("command-note").textContent = notes.filter(Boolean).join(" ");
}

async function copyCommand() {
  const text = byId("command").textContent;
  try {
    await navigator.clipboard.writeText(text);
    byId("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(byId("command"));
    byId("copied").textContent = "The command is marked: copy it with Ctrl+C.";
  }
}
