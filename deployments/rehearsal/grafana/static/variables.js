// Template variables: their values from the address, their options, their replacement in text.
import { get } from './api.js';

const ALL = '$__all';
const REFERENCE = /\$(\w+)|\$\{(\w+)(?:\.[^:}]+)?(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]/g;

// [{name, label, type, multi, values: [..], options: [..], allValue, hidden}]
export function readVariables(templating, parameters) {
  return (templating?.list || []).map((model) => {
    const asked = parameters.getAll(`var-${model.name}`);
    const current = model.current?.value ?? model.query ?? '';
    return {
      name: model.name, label: model.label || model.name, type: model.type, model, multi: Boolean(model.multi), all: Boolean(model.includeAll),
      allValue: model.allValue || '', hidden: model.hide === 2,
      values: asked.length ? asked.map((value) => (value === 'All' ? ALL : value)) : [current].flat().map(String),
      options: knownOptions(model),
    };
  });
}

// Options of a label_values() variable; throws when the data source does not answer.
export async function loadOptions(variable, range) {
  const query = typeof variable.model.query === 'object' ? variable.model.query.query : variable.model.query;
  const match = /^label_values\((?:(.+),)?\s*(\w+)\s*\)$/.exec(query || '');
  if (variable.type !== 'query' || !match || variable.model.datasource?.uid === undefined) return;
  const parameters = { start: Math.floor(range.from / 1000), end: Math.ceil(range.to / 1000) };
  if (match[1]) parameters['match[]'] = match[1].trim();
  const body = await get(`/api/datasources/uid/${encodeURIComponent(variable.model.datasource.uid)}/resources/api/v1/label/${match[2]}/values`, parameters);
  const pattern = variable.model.regex ? new RegExp(variable.model.regex.replace(/^\/|\/$/g, '')) : /./;
  const found = body.data.filter((value) => pattern.test(value));
  variable.options = [...(variable.all ? [ALL] : []), ...new Set([...found, ...variable.values.filter((value) => value !== ALL)])];
}

export function optionText(value) {
  return value === ALL ? 'All' : value;
}

// use: 'text' for titles, 'query' for expressions. Unknown names stay as they are: the server knows $__interval.
export function interpolate(text, variables, use, range) {
  if (!text.includes('$') && !text.includes('[[')) return text;
  return text.replace(REFERENCE, (whole, plain, braced, bracedFormat, squared, squaredFormat) => {
    const name = plain || braced || squared;
    if (range && name === '__from') return String(range.from);
    if (range && name === '__to') return String(range.to);
    const variable = variables.find((one) => one.name === name);
    if (!variable) return whole;
    if (use === 'text') return variable.values.map(optionText).join(' + ');
    return inQuery(variable, bracedFormat || squaredFormat);
  });
}

function inQuery(variable, format) {
  let { values } = variable;
  if (values.includes(ALL)) {
    if (variable.allValue) return variable.allValue;
    values = variable.options.filter((value) => value !== ALL);
  }
  if (format === 'raw' || !variable.multi) return values.join(',');
  if (format === 'csv') return values.join(',');
  if (format === 'pipe') return values.join('|');
  const escaped = values.map((value) => value.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'));
  return escaped.length === 1 ? escaped[0] : `(${escaped.join('|')})`;
}

function knownOptions(model) {
  if (model.type === 'custom') return (model.includeAll ? [ALL] : []).concat(String(model.query || '').split(',').map((one) => one.trim()).filter(Boolean));
  return (model.options || []).map((option) => String(option.value));
}
