// Value axes: limits and round ticks, linear or logarithmic.
import { formatValue, tickBase } from './format.js';

const STEPS = [1, 2, 2.5, 5, 10];

// Returns {min, max, ticks: [{at, text}], place(value) -> 0..1}.
export function valueScale(values, options) {
  return options.log ? logScale(values, options) : linearScale(values, options);
}

function linearScale(values, { unit, decimals, min, max, softMin, softMax, count }) {
  let low = Math.min(...extent(values, Math.min), softMin ?? Infinity);
  let high = Math.max(...extent(values, Math.max), softMax ?? -Infinity);
  if (!Number.isFinite(low)) [low, high] = [0, 1];
  // a value axis that does not start at 0 hides how large a change is: only signals far from 0 get their own base
  if (low >= 0 && min === undefined) low = 0;
  low = min ?? low;
  high = max ?? high;
  if (high <= low) high = low + (unit === 'percentunit' ? 0.01 : Math.abs(low) || 1);
  // ticks that are nearer than the last digit shown would all look alike
  const least = (unit === 'short' || !unit) && decimals !== undefined && decimals !== null ? 10 ** -decimals : 0;
  const step = Math.max(least, roundStep((high - low) / count, tickBase(unit), unit));
  const bottom = min ?? Math.floor(low / step + 1e-9) * step;
  const top = max ?? Math.ceil(high / step - 1e-9) * step;
  const ticks = [];
  for (let index = Math.ceil(bottom / step - 1e-9); index * step <= top + step * 1e-6; index += 1) {
    ticks.push({ at: index * step, text: formatValue(index * step, unit, decimals, step) });
  }
  return { min: bottom, max: top, ticks, place: (value) => (value - bottom) / (top - bottom) };
}

function logScale(values, { unit, softMin, softMax, count }) {
  const positive = values.filter((value) => value > 0);
  const low = Math.min(...extent(positive, Math.min), softMin > 0 ? softMin : Infinity, softMax ?? Infinity);
  const high = Math.max(...extent(positive, Math.max), softMax ?? -Infinity);
  if (!Number.isFinite(low)) return linearScale([], { unit, count });
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9));
  const marks = last - first <= Math.max(1, count / 3) ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = first; power <= last; power += 1) {
    for (const mark of marks) {
      const at = mark * 10 ** power;
      if (power < last || mark === 1) ticks.push({ at, text: formatValue(at, unit) });
    }
  }
  const place = (value) => Math.max(0, (Math.log10(Math.max(value, 10 ** first)) - first) / (last - first));
  return { min: 10 ** first, max: 10 ** last, ticks, place };
}

function roundStep(raw, base, unit) {
  const scale = unit === 'percentunit' ? 100 : 1;
  let factor = 1;
  let size = raw * scale;
  if (base === 1024) while (size >= 1024) [size, factor] = [size / 1024, factor * 1024];
  const power = 10 ** Math.floor(Math.log10(size));
  const step = STEPS.find((one) => one * power >= size * (1 - 1e-9)) * power;
  return (step * factor) / scale;
}

function extent(values, pick) {
  return values.length ? [values.reduce((a, b) => pick(a, b))] : [];
}
