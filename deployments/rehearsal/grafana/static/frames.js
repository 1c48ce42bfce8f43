// Data frames (the wire format of /api/ds/query and of snapshots) as series and tables.
import { PALETTE, color } from './colors.js';

// Every number field of a frame with a time field becomes a series.
export function toSeries(frames, fieldConfig = {}) {
  const series = [];
  for (const frame of frames) {
    const { fields } = frame.schema || {};
    const values = frame.data?.values;
    const time = fields?.findIndex((field) => field.type === 'time') ?? -1;
    if (time < 0 || !values?.length) continue;
    fields.forEach((field, index) => {
      if (field.type !== 'number') return;
      series.push({
        name: displayName(field), times: values[time], values: values[index],
        interval: fields[time].config?.interval || 0, labels: field.labels || {},
      });
    });
  }
  series.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  series.forEach((one, index) => {
    const custom = properties(one.name, fieldConfig);
    const fixed = custom.color || fieldConfig.defaults?.color;
    one.color = fixed?.mode === 'fixed' ? color(fixed.fixedColor) : PALETTE[index % PALETTE.length];
    one.dash = custom['custom.lineStyle']?.fill === 'dash';
    one.fill = custom['custom.fillOpacity'];
    one.name = custom.displayName || one.name;
  });
  return series;
}

export function lastNotNull(values) {
  for (let at = values.length - 1; at >= 0; at -= 1) if (values[at] !== null && values[at] !== undefined) return values[at];
  return null;
}

export function reduce(values, how) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (!known.length) return null;
  if (how === 'max') return known.reduce((a, b) => Math.max(a, b));
  if (how === 'min') return known.reduce((a, b) => Math.min(a, b));
  if (how === 'mean') return known.reduce((a, b) => a + b, 0) / known.length;
  if (how === 'sum') return known.reduce((a, b) => a + b, 0);
  return known.at(-1);
}

function displayName(field) {
  const given = field.config?.displayName || field.config?.displayNameFromDS;
  if (given) return given;
  const labels = Object.entries(field.labels || {}).filter(([key]) => key !== '__name__');
  if (!labels.length) return field.name;
  if (labels.length === 1) return labels[0][1];
  return `{${labels.map(([key, value]) => `${key}="${value}"`).join(', ')}}`;
}

function properties(name, fieldConfig) {
  const found = {};
  for (const { matcher, properties: list } of fieldConfig.overrides || []) {
    const hit = matcher.id === 'byName' ? matcher.options === name
      : matcher.id === 'byRegexp' ? new RegExp(matcher.options.replace(/^\/|\/$/g, '')).test(name) : false;
    if (hit) for (const { id, value } of list) found[id] = value;
  }
  return found;
}
