// The head of a dashboard: its path, variables, time range, refresh.
import { el } from './dom.js';
import { rangeText } from './timerange.js';
import { optionText } from './variables.js';

const RANGES = ['3m', '5m', '15m', '30m', '1h', '3h', '6h', '12h', '24h'];
const EVERY = ['', '1s', '5s', '10s', '30s', '1m', '5m'];

export function controls(options) {
  const { kiosk, hide } = options;
  const chrome = kiosk ? null : el('div', { class: 'crumbs' },
    el('a', { href: '/' }, 'Home'), el('span', {}, '›'), el('a', { href: '/dashboards' }, 'Dashboards'), el('span', {}, '›'), el('strong', {}, options.title),
    el('span', { class: 'grow' }), options.back ? el('a', { class: 'button', href: options.back }, '← Back to dashboard') : null,
    el('a', { class: 'button quiet', href: options.themeAddress }, 'Light or dark'), el('a', { class: 'button quiet', href: options.kioskAddress }, 'Kiosk'));
  const variables = hide.variables ? [] : options.variables.map((variable) => variableControl(variable, options.onVariable));
  const time = hide.timePicker ? [] : [rangeControl(options), el('button', { class: 'button', type: 'button', title: 'Refresh', onclick: options.onRefresh }, '↻'), everyControl(options)];
  const bar = variables.length || time.length || kiosk ? el('div', { class: 'bar' }, kiosk ? el('strong', { class: 'kiosk-title' }, options.title) : null,
    ...variables, el('span', { class: 'grow' }), ...(time.length ? time : [el('span', { class: 'range-text' }, rangeText(options.asked, options.utc), zone(options))])) : null;
  return el('div', { class: 'controls' }, ...[chrome, bar].filter(Boolean));
}

function variableControl(variable, onVariable) {
  const values = variable.options.length ? variable.options : variable.values;
  const select = el('select', { 'aria-label': variable.label, onchange: (event) => onVariable(variable, event.target.value) },
    ...values.map((value) => el('option', { value, selected: variable.values.includes(value) }, optionText(value))));
  return el('label', { class: 'variable' }, el('span', {}, variable.label), select);
}

function rangeControl(options) {
  const menu = el('div', { class: 'menu', hidden: true }, ...RANGES.map((length) => el('button', {
    type: 'button', onclick: () => options.onRange(`now-${length}`, 'now'),
  }, rangeText({ from: `now-${length}`, to: 'now' }))));
  const button = el('button', { class: 'button', type: 'button', 'data-testid': 'data-testid TimePicker Open Button', onclick: () => { menu.hidden = !menu.hidden; } },
    '◷ ', rangeText(options.asked, options.utc), zone(options), ' ▾');
  return el('div', { class: 'dropdown' }, button, menu);
}

function everyControl(options) {
  const values = EVERY.includes(options.refreshEvery) ? EVERY : [...EVERY, options.refreshEvery];
  return el('select', { 'aria-label': 'Refresh interval', title: 'Refresh interval', onchange: (event) => options.onEvery(event.target.value) },
    ...values.map((value) => el('option', { value, selected: value === options.refreshEvery }, value || 'Off')));
}

function zone({ utc }) {
  return utc ? el('em', {}, ' UTC') : '';
}
