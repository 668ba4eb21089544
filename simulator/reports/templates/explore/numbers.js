// Estimates and their words: the same digits as the tables of the report (statistics/intervals and formatting).
const Z = 1.959963984540054;
const MINUS = "\u2212";

function roundEven(x) {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 ? below + 1 : below;
}

// Decimals as Python prints them: an exact half goes to the even digit.
function decimal(x, places) {
  const scale = 10 ** places;
  const half = Number.isInteger(x * 2 ** (places + 1)) && Math.abs((x * scale) % 1) === 0.5;
  return half ? (roundEven(x * scale) / scale).toFixed(places) : x.toFixed(places);
}

const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

function percent(share, places) {
  let body = decimal(Math.abs(share) * 100, places);
  if (Math.abs(share) < 1 && Number(body) >= 100) body = (100 - 10 ** -places).toFixed(places);
  return `${share < 0 && Number(body) ? MINUS : ""}${body} %`;
}

function decimals(error, most) {
  if (!Number.isFinite(error)) return 0;
  if (error <= 0) return most;
  return Math.min(Math.max(-Math.floor(Math.log10(Number(error.toPrecision(1)))), 0), most);
}

// P(X <= k) for X binomial (n, p), by its few terms.
function binomialBelow(k, n, p) {
  let term = Math.exp(n * Math.log1p(-p));
  let sum = term;
  for (let i = 1; i <= k; i += 1) {
    term *= ((n - i + 1) / i) * (p / (1 - p));
    sum += term;
  }
  return sum;
}

function bisect(rises, target) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 200 && low < high; i += 1) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (rises(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// Clopper and Pearson's interval; hits of the rarer side are few.
function exactInterval(hits, n) {
  if (2 * hits > n) {
    const [low, high] = exactInterval(n - hits, n);
    return [1 - high, 1 - low];
  }
  const low = hits ? bisect((p) => 1 - binomialBelow(hits - 1, n, p), 0.025) : 0;
  const high = hits < n ? bisect((p) => -binomialBelow(hits, n, p), -0.025) : 1;
  return [low, high];
}

function probability(hits, n) {
  const value = hits / n;
  if (n * value * (1 - value) < 10) {
    const [low, high] = exactInterval(hits, n);
    return { value, low, high, error: (high - low) / (2 * Z) };
  }
  const z2 = (Z * Z) / n;
  const centre = (value + z2 / 2) / (1 + z2);
  const half = (Z / (1 + z2)) * Math.sqrt((value * (1 - value)) / n + z2 / (4 * n));
  return { value, low: centre - half, high: centre + half, error: half / Z };
}

const share = (of) => percent(of.value, decimals(100 * of.error, 1));

function errorText(of) {
  const points = 100 * of.error;
  if (points <= 0) return "";
  const digit = Math.max(Number(points.toPrecision(1)), 0.01);
  return `±${digit.toFixed(Math.min(Math.max(-Math.floor(Math.log10(digit)), 0), 2))}`;
}

function interval(of) {
  const exactEnd = of.error <= 0 && (of.value === 0 || of.value === 1);
  const places = exactEnd ? 0 : decimals(100 * of.error, of.value >= 0.01 ? 1 : 3);
  return [of.low, of.high].map((end) => percent(end, places).replace(" %", "")).join(" to ");
}

function oneIn(part) {
  const number = 1 / part;
  const scale = 10 ** Math.max(0, Math.floor(Math.log10(number)) - 1);
  return `1 in ${count(Math.floor(number / scale + 1e-9) * scale)}`;
}

function naturalFrequency(of) {
  for (let base = 10; ; base *= 10) {
    const hits = roundEven(of.value * base);
    if (hits > 0 && hits < base && of.low <= hits / base && hits / base <= of.high) {
      return `${count(hits)} in ${count(base)}`;
    }
  }
}

const fill = (form, words) => form.replace(/\{(\w+)\}/g, (_, name) => words[name]);

// The verdict on n paths, in the forms of runs/verdict.py.
function verdict(hits, n, fall, forms) {
  const of = probability(hits, n);
  if (hits > 0 && hits < n) {
    const often = naturalFrequency(of);
    const sees = often.startsWith("1 in ") ? "sees" : "see";
    return fill(forms.some, { often, interval: interval(of), sees, fall });
  }
  const [kind, bound, rest] = hits ? ["all", "all_but", 1 - of.low] : ["none", "fewer", of.high];
  const words = rest < 0.5 ? fill(forms[bound], { one_in: oneIn(rest) }) : `${interval(of)} %`;
  return fill(forms[kind], { n: count(n), bound: words, fall });
}
