// What goes into a panel's body: time series with legend, stat, table, text.
import { drawChart, drawSparkline } from './chart.js';
import { color } from './colors.js';
import { el } from './dom.js';
import { formatValue } from './format.js';
import { lastNotNull, reduce, toSeries } from './frames.js';
import { stamp } from './timerange.js';

const CALCS = { lastNotNull: 'Last', last: 'Last', max: 'Max', min: 'Min', mean: 'Mean', sum: 'Total' };

export function hasData(frames) {
  return frames.some((frame) => frame.data?.values?.some((column) => column.length));
}

// context: {range, annotations, utc}
export function drawVisual(body, panel, frames, context) {
  const draw = { stat: drawStat, table: drawTable }[panel.type] || drawTimeSeries;
  draw(body, panel, frames, context);
}

export function drawText(body, panel) {
  body.replaceChildren(el('div', { class: 'text-panel' }, panel.options?.content || ''));
}

function drawTimeSeries(body, panel, frames, { range, annotations, utc }) {
  const config = panel.fieldConfig || {};
  const defaults = config.defaults || {};
  const custom = defaults.custom || {};
  const series = toSeries(frames, config);
  const { legend, calcs } = drawLegend(series, panel.options?.legend, defaults);
  const chart = el('div', { class: 'chart-box' });
  body.replaceChildren(chart, ...(legend ? [legend] : []));
  body.classList.toggle('legend-right', panel.options?.legend?.placement === 'right');
  const steps = (defaults.thresholds?.steps || []).filter((step) => step.value !== null && step.value !== undefined);
  const mode = custom.thresholdsStyle?.mode || 'off';
  chart.append(drawChart(series, {
    width: chart.clientWidth, height: chart.clientHeight, range, annotations, utc,
    unit: defaults.unit, decimals: defaults.decimals, min: defaults.min, max: defaults.max,
    softMin: custom.axisSoftMin, softMax: custom.axisSoftMax, log: custom.scaleDistribution?.type === 'log',
    stack: custom.stacking?.mode === 'normal', fill: custom.fillOpacity ?? 0, lineWidth: custom.lineWidth ?? 1,
    steps: custom.lineInterpolation === 'stepAfter', spanNulls: custom.spanNulls === true,
    thresholds: mode === 'off' ? [] : steps, dashed: mode.startsWith('dashed'),
  }));
  return calcs;
}

function drawLegend(series, options = {}, { unit, decimals }) {
  if (options.showLegend === false || options.displayMode === 'hidden') return { legend: null };
  const calcs = options.calcs?.length ? options.calcs : [];
  const cell = (one, calc) => formatValue(reduce(one.values, calc), unit, decimals);
  const swatch = (one) => el('i', { style: `background:${one.color}` });
  if (options.displayMode === 'table') {
    const head = el('tr', {}, el('th', {}, 'Name'), ...calcs.map((calc) => el('th', {}, CALCS[calc] || calc)));
    const rows = series.map((one) => el('tr', {}, el('td', { title: one.name }, swatch(one), one.name), ...calcs.map((calc) => el('td', {}, cell(one, calc)))));
    return { legend: el('div', { class: 'legend' }, el('table', {}, el('thead', {}, head), el('tbody', {}, ...rows))) };
  }
  return { legend: el('div', { class: 'legend list' }, ...series.map((one) => el('span', { class: 'item', title: one.name },
    swatch(one), el('span', { class: 'name' }, one.name), ...calcs.map((calc) => el('b', { title: CALCS[calc] || calc }, cell(one, calc)))))) };
}

function drawStat(body, panel, frames) {
  const defaults = panel.fieldConfig?.defaults || {};
  const series = toSeries(frames, panel.fieldConfig);
  const calc = panel.options?.reduceOptions?.calcs?.[0] || 'lastNotNull';
  const many = series.length > 1;
  body.replaceChildren(...series.map((one) => {
    const value = calc === 'lastNotNull' ? lastNotNull(one.values) : reduce(one.values, calc);
    const tone = stepColor(value, defaults.thresholds);
    const box = el('div', { class: 'stat', style: `--tone:${tone}` });
    if (many) box.append(el('span', { class: 'name' }, one.name));
    box.append(el('span', { class: 'value' }, formatValue(value, defaults.unit, defaults.decimals)));
    if (panel.options?.graphMode !== 'none') box.append(drawSparkline(one, body.clientWidth / series.length, Math.round(body.clientHeight * 0.45), tone));
    return box;
  }));
}

function stepColor(value, thresholds) {
  let found = 'green';
  if (value === null) return 'var(--muted)';
  for (const step of thresholds?.steps || []) if (step.value === null || step.value === undefined || value >= step.value) found = step.color;
  return color(found);
}

function drawTable(body, panel, frames, { range, utc }) {
  const frame = frames.find((one) => one.schema?.fields?.length);
  const { fields } = frame.schema;
  const { values } = frame.data;
  const head = el('tr', {}, ...fields.map((field) => el('th', { class: field.type }, field.config?.displayName || field.name)));
  const rows = values[0].map((_, row) => el('tr', {}, ...fields.map((field, column) => el('td', { class: field.type }, tableCell(field, values[column][row], range, utc, panel)))));
  body.replaceChildren(el('div', { class: 'table-box' }, el('table', {}, el('thead', {}, head), el('tbody', {}, ...rows))));
}

function tableCell(field, value, range, utc, panel) {
  if (field.name === 'traceID') return el('a', { href: exploreTrace(value, range, panel) }, value);
  if (field.type === 'time') return stamp(value, utc);
  if (field.type === 'number') return formatValue(value, field.config?.unit || panel.fieldConfig?.defaults?.unit);
  return String(value ?? '');
}

function exploreTrace(traceId, range, panel) {
  const uid = panel.datasource?.uid;
  const pane = {
    datasource: uid, queries: [{ refId: 'A', datasource: { type: 'jaeger', uid }, query: traceId }],
    range: { from: String(range.from), to: String(range.to) },
  };
  return `/explore?orgId=1&schemaVersion=1&panes=${encodeURIComponent(JSON.stringify({ a: pane }))}`;
}
