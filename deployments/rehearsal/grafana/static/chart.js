// A time series chart as SVG: axes, lines, stacked areas, threshold lines, annotations, a crosshair with values.
import { color } from './colors.js';
import { el, svg } from './dom.js';
import { formatValue } from './format.js';
import { valueScale } from './scale.js';
import { stamp, timeTicks } from './timerange.js';

const CHARACTER_PX = 7.2; // width of a digit of the axes' 12 px font in the widest fallback
const TOP_PX = 8;
const BOTTOM_PX = 22;
const RIGHT_PX = 10;
const GAP_FACTOR = 3; // a hole of more than this many steps is drawn as a hole

// options: {width, height, range: {from, to} in ms, unit, decimals, min, max, softMin, softMax, log, stack, fill,
//           lineWidth, steps, spanNulls, thresholds: [{value, color}], dashed, annotations, utc}
export function drawChart(series, options) {
  const { width, height, range, utc } = options;
  const lines = options.stack ? stacked(series) : series.map((one) => ({ ...one, tops: one.values, bases: null }));
  const plotHeight = Math.max(20, height - TOP_PX - BOTTOM_PX);
  const shown = lines.flatMap((line) => line.tops.filter((value) => value !== null));
  const scale = valueScale(shown, { ...options, count: Math.max(2, Math.round(plotHeight / 45)) });
  const left = 14 + CHARACTER_PX * Math.max(3, ...scale.ticks.map((tick) => tick.text.length));
  const plotWidth = Math.max(20, width - left - RIGHT_PX);
  const x = (ms) => left + ((ms - range.from) / (range.to - range.from || 1)) * plotWidth;
  const y = (value) => TOP_PX + plotHeight * (1 - scale.place(value));
  const clip = `clip-${Math.random().toString(36).slice(2)}`;

  const root = svg('svg', { class: 'chart', width, height, viewBox: `0 0 ${width} ${height}` },
    svg('defs', {}, svg('clipPath', { id: clip }, svg('rect', { x: left, y: TOP_PX - 2, width: plotWidth, height: plotHeight + 4 }))));
  for (const tick of scale.ticks) {
    const at = Math.round(y(tick.at)) + 0.5;
    root.append(svg('line', { class: 'grid', x1: left, x2: left + plotWidth, y1: at, y2: at }),
      svg('text', { class: 'tick', x: left - 8, y: at + 4, 'text-anchor': 'end' }, tick.text));
  }
  for (const tick of timeTicks(range.from, range.to, Math.max(2, plotWidth / 85), utc)) {
    const at = Math.round(x(tick.at)) + 0.5;
    root.append(svg('line', { class: 'grid', x1: at, x2: at, y1: TOP_PX, y2: TOP_PX + plotHeight }));
    if (at > left + 14 && at < left + plotWidth - 14) {
      root.append(svg('text', { class: 'tick', x: at, y: height - 6, 'text-anchor': 'middle' }, tick.text));
    }
  }
  const plot = svg('g', { 'clip-path': `url(#${clip})` });
  root.append(plot);
  drawAnnotations(plot, root, options.annotations || [], { x, range, plotHeight });
  for (const line of lines.slice().reverse()) drawLine(plot, line, options, { x, y, floor: TOP_PX + plotHeight });
  for (const { value, color: name } of options.thresholds || []) {
    if (value < scale.min || value > scale.max) continue;
    const at = Math.round(y(value)) + 0.5;
    plot.append(svg('line', { class: 'threshold', x1: left, x2: left + plotWidth, y1: at, y2: at, stroke: color(name),
      'stroke-dasharray': options.dashed ? '8 5' : null }));
  }
  addCrosshair(root, lines, options, { x, y, left, plotWidth, plotHeight });
  return root;
}

// A line without axes, for stat panels.
export function drawSparkline(one, width, height, stroke) {
  const known = one.values.filter((value) => value !== null);
  const root = svg('svg', { class: 'spark', width, height });
  if (known.length < 2) return root;
  const [low, high] = [Math.min(0, ...known), Math.max(...known)];
  const [from, to] = [one.times[0], one.times.at(-1)];
  const x = (ms) => ((ms - from) / (to - from || 1)) * width;
  const y = (value) => height - 2 - ((value - low) / (high - low || 1)) * (height - 6);
  drawLine(root, { ...one, color: stroke, tops: one.values, bases: null }, { fill: 18, lineWidth: 1.5 }, { x, y, floor: height });
  return root;
}

function drawLine(parent, line, options, { x, y, floor }) {
  for (const run of runs(line, options.spanNulls)) {
    const points = run.map((at) => [x(line.times[at]), y(line.tops[at])]);
    const path = toPath(points, options.steps);
    const opacity = (line.fill ?? options.fill ?? 0) / 100;
    if (opacity > 0 && points.length > 1) {
      const back = line.bases
        ? toPath(run.map((at) => [x(line.times[at]), y(line.bases[at])]), options.steps).split(/(?=[ML])/).map((part) => part.slice(1)).reverse().map((part) => `L${part}`).join('')
        : `L${points.at(-1)[0].toFixed(1)} ${floor}L${points[0][0].toFixed(1)} ${floor}`;
      parent.append(svg('path', { d: `${path}${back}Z`, fill: line.color, 'fill-opacity': opacity, stroke: 'none' }));
    }
    if (points.length === 1) parent.append(svg('circle', { cx: points[0][0], cy: points[0][1], r: 2.5, fill: line.color }));
    else parent.append(svg('path', { class: 'series', d: path, fill: 'none', stroke: line.color, 'stroke-width': options.lineWidth ?? 1.5,
      'stroke-linejoin': 'round', 'stroke-dasharray': line.dash ? '6 4' : null, 'data-series': line.name }));
  }
}

function toPath(points, steps) {
  let text = '';
  points.forEach(([px, py], index) => {
    if (steps && index) text += `L${px.toFixed(1)} ${points[index - 1][1].toFixed(1)}`;
    text += `${index ? 'L' : 'M'}${px.toFixed(1)} ${py.toFixed(1)}`;
  });
  return text;
}

// Indices of points that belong together: without holes in time and without nulls between.
function runs(line, spanNulls) {
  const found = [];
  let current = [];
  const hole = line.interval ? line.interval * GAP_FACTOR : Infinity;
  line.tops.forEach((value, at) => {
    if (value === null || value === undefined) {
      if (!spanNulls && current.length) { found.push(current); current = []; }
      return;
    }
    if (current.length && !spanNulls && line.times[at] - line.times[current.at(-1)] > hole) { found.push(current); current = []; }
    current.push(at);
  });
  if (current.length) found.push(current);
  return found;
}

// Each series on top of those before it, over the union of all times.
function stacked(series) {
  const times = [...new Set(series.flatMap((one) => one.times))].sort((a, b) => a - b);
  const sums = new Map(times.map((time) => [time, 0]));
  return series.map((one) => {
    const own = new Map(one.times.map((time, at) => [time, one.values[at]]));
    const [first, last] = [one.times[0], one.times.at(-1)];
    const kept = times.filter((time) => time >= first && time <= last);
    const bases = kept.map((time) => sums.get(time));
    const values = kept.map((time) => own.get(time) ?? null);
    const tops = kept.map((time, at) => (values[at] === null ? null : bases[at] + values[at]));
    kept.forEach((time, at) => { if (tops[at] !== null) sums.set(time, tops[at]); });
    return { ...one, times: kept, values, tops, bases };
  });
}

function drawAnnotations(plot, root, annotations, { x, range, plotHeight }) {
  for (const note of annotations) {
    if (note.timeEnd < range.from || note.time > range.to) continue;
    const start = Math.round(x(Math.max(note.time, range.from))) + 0.5;
    const end = x(Math.min(note.timeEnd, range.to));
    const title = () => svg('title', {}, [note.text, ...(note.tags || [])].join('\n'));
    if (note.timeEnd > note.time) {
      plot.append(svg('rect', { class: 'region', x: start, y: TOP_PX, width: Math.max(1, end - start), height: plotHeight, fill: note.color }, title()));
    }
    if (note.time < range.from) continue;
    plot.append(svg('line', { class: 'annotation', x1: start, x2: start, y1: TOP_PX, y2: TOP_PX + plotHeight, stroke: note.color, 'data-annotation': note.text }));
    root.append(svg('path', { class: 'flag', d: `M${start - 4.5} ${TOP_PX + plotHeight + 6}h9l-4.5 -6z`, fill: note.color }, title()));
  }
}

function addCrosshair(root, lines, options, { x, left, plotWidth, plotHeight }) {
  const cross = svg('line', { class: 'crosshair', y1: TOP_PX, y2: TOP_PX + plotHeight, visibility: 'hidden' });
  const area = svg('rect', { x: left, y: TOP_PX, width: plotWidth, height: plotHeight, fill: 'transparent' });
  root.append(cross, area);
  let tip = null;
  const hide = () => { cross.setAttribute('visibility', 'hidden'); tip?.remove(); tip = null; };
  area.addEventListener('mouseleave', hide);
  area.addEventListener('mousemove', (event) => {
    const box = root.getBoundingClientRect();
    const { from, to } = options.range;
    const at = from + ((event.clientX - box.left - left) / plotWidth) * (to - from);
    const rows = lines.map((line) => ({ line, index: nearest(line.times, at) })).filter(({ line, index }) => index >= 0 && (line.values[index] ?? null) !== null);
    hide();
    if (!rows.length) return;
    const time = rows[0].line.times[rows[0].index];
    cross.setAttribute('x1', x(time));
    cross.setAttribute('x2', x(time));
    cross.setAttribute('visibility', 'visible');
    tip = el('div', { class: 'tooltip' }, el('div', { class: 'when' }, stamp(time, options.utc)),
      ...rows.sort((a, b) => b.line.values[b.index] - a.line.values[a.index]).slice(0, 12).map(({ line, index }) => el('div', { class: 'row' },
        el('i', { style: `background:${line.color}` }), el('span', {}, line.name), el('b', {}, formatValue(line.values[index], options.unit, options.decimals)))));
    document.body.append(tip);
    const right = event.clientX + 24 + tip.offsetWidth > innerWidth;
    tip.style.left = `${event.clientX + (right ? -16 - tip.offsetWidth : 16)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY - 10, innerHeight - tip.offsetHeight - 8))}px`;
  });
}

function nearest(times, at) {
  let best = -1;
  for (let index = 0; index < times.length; index += 1) {
    if (best < 0 || Math.abs(times[index] - at) < Math.abs(times[best] - at)) best = index;
  }
  return best;
}
