// Numbers with Grafana's units.

const SCALES = {
  ms: [['µs', 1e-3], ['ms', 1], ['s', 1e3], ['min', 6e4], ['hour', 36e5]],
  s: [['µs', 1e-6], ['ms', 1e-3], ['s', 1], ['min', 60], ['hour', 3600]],
  µs: [['µs', 1], ['ms', 1e3], ['s', 1e6], ['min', 6e7]],
  bytes: [['B', 1], ['KiB', 1024], ['MiB', 1024 ** 2], ['GiB', 1024 ** 3], ['TiB', 1024 ** 4]],
  decbytes: [['B', 1], ['kB', 1e3], ['MB', 1e6], ['GB', 1e9], ['TB', 1e12]],
};
const SUFFIX = { reqps: 'req/s', ops: 'ops/s', cps: 'c/s', percent: '%', percentunit: '%' };
const SHORT = [['', 1], ['K', 1e3], ['Mil', 1e6], ['Bil', 1e9]];

// `step`, when given, is the distance of axis ticks: it decides the digits.
export function formatValue(value, unit, decimals, step) {
  if (value === null || value === undefined || Number.isNaN(value)) return '-';
  if (unit === 'percentunit') return join(digits(value * 100, decimals, step && step * 100), '%', '');
  if (unit === 'percent') return join(digits(value, decimals, step), '%', '');
  const scales = SCALES[unit] || SHORT;
  const size = Math.abs(value);
  let [name, factor] = unit in SCALES ? scales.find(([label]) => label === unit) || scales[0] : scales[0];
  if (size > 0) for (const [label, each] of scales) if (size >= each * (1 - 1e-9)) [name, factor] = [label, each];
  if (size > 0 && size < scales[0][1]) [name, factor] = scales[0];
  const text = digits(value / factor, decimals, step && step / factor);
  const suffix = SUFFIX[unit] ? `${name} ${SUFFIX[unit]}`.trim() : name;
  return join(text, suffix, unit === 'short' || !unit ? ' ' : ' ');
}

// Base of nice ticks: bytes look round in powers of two.
export function tickBase(unit) {
  return unit === 'bytes' ? 1024 : 10;
}

function digits(value, decimals, step) {
  if (decimals !== undefined && decimals !== null) return trim(value.toFixed(decimals), step);
  if (step) return trim(value.toFixed(Math.max(0, Math.min(6, Math.ceil(-Math.log10(Math.abs(step)) - 1e-9) + (roundStep(step) ? 0 : 1)))), step);
  const size = Math.abs(value);
  if (size === 0) return '0';
  return trim(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(size)))));
}

function roundStep(step) {
  const lead = step / 10 ** Math.floor(Math.log10(step) + 1e-9);
  return Math.abs(lead - Math.round(lead)) < 1e-6;
}

function trim(text) {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function join(text, suffix, gap) {
  return suffix ? `${text}${gap}${suffix}` : text;
}
