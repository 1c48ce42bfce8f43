// Explore: one pane a query, from the address' `panes`. Prometheus as a graph and a table, Jaeger as a trace or a list.
import { get } from './api.js';
import { PALETTE } from './colors.js';
import { alertError, el } from './dom.js';
import { formatValue } from './format.js';
import { Panel } from './panel.js';
import { rangeText, stamp, toMs } from './timerange.js';

const LEGEND = { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] };

export async function showExplore(page) {
  document.title = 'Explore - Stand-in for Grafana';
  const panes = readPanes();
  const box = el('div', { class: 'panes' });
  page.replaceChildren(el('div', { class: 'head' }, el('div', { class: 'controls' }, el('div', { class: 'crumbs' },
    el('a', { href: '/' }, 'Home'), el('span', {}, '›'), el('strong', {}, 'Explore')))), box);
  let sources = [];
  try {
    sources = await get('/api/datasources');
  } catch (problem) {
    alertError('Data sources could not be loaded', problem.message);
  }
  for (const pane of panes.length ? panes : [emptyPane(sources)]) box.append(buildPane(pane, sources));
}

function readPanes() {
  const parameters = new URLSearchParams(location.search);
  const text = parameters.get('panes');
  if (!text) return [];
  try {
    return Object.values(JSON.parse(text));
  } catch {
    alertError('The address is broken', 'Its panes are not JSON.');
    return [];
  }
}

function emptyPane(sources) {
  const source = sources.find((one) => one.isDefault);
  return { datasource: source?.uid, queries: [{ refId: 'A', datasource: { type: source?.type, uid: source?.uid }, expr: 'up' }], range: { from: 'now-15m', to: 'now' } };
}

function buildPane(pane, sources) {
  const asked = { from: pane.range?.from ?? 'now-1h', to: pane.range?.to ?? 'now' };
  const range = { from: toMs(asked.from), to: toMs(asked.to) };
  const queries = pane.queries || [];
  const kind = queries[0]?.datasource?.type || sources.find((one) => one.uid === pane.datasource)?.type;
  const source = { range: () => range, annotations: () => [], variables: () => [], utc: () => true };
  const head = el('div', { class: 'pane-head' }, el('strong', {}, sources.find((one) => one.uid === pane.datasource)?.name || pane.datasource || 'Unknown data source'),
    el('span', { class: 'grow' }), el('span', { class: 'range-text' }, rangeText(asked, true), el('em', {}, ' UTC')));
  const editors = queries.map((query) => editor(query, pane));
  const targets = queries.map((query) => ({ range: true, ...query, datasource: query.datasource || { uid: pane.datasource } }));
  const model = kind === 'jaeger'
    ? { id: 1, type: queries[0]?.queryType === 'search' ? 'table' : 'trace', title: queries[0]?.queryType === 'search' ? 'Traces' : `Trace ${queries[0]?.query || ''}`, datasource: { uid: pane.datasource }, targets }
    : { id: 1, type: 'timeseries', title: 'Graph', targets, fieldConfig: { defaults: { custom: { lineWidth: 2, fillOpacity: 0 } } }, options: { legend: LEGEND } };
  const panel = model.type === 'trace' ? new TracePanel(model, source) : new Panel(model, source);
  panel.element.classList.add('explore-panel');
  panel.refresh();
  return el('div', { class: 'pane' }, head, ...editors, panel.element);
}

// The query as text that can be changed; Enter runs it by going to the changed address.
function editor(query, pane) {
  const field = 'expr' in query ? 'expr' : 'query';
  const shown = query.queryType === 'search' ? `service ${query.service}` : query[field] || '';
  const run = (event) => {
    if (event.key !== 'Enter' || event.shiftKey) return;
    event.preventDefault();
    const changed = { ...pane, queries: pane.queries.map((one) => (one === query ? { ...one, [field]: event.target.value } : one)) };
    location.href = `/explore?orgId=1&schemaVersion=1&panes=${encodeURIComponent(JSON.stringify({ a: changed }))}`;
  };
  const area = el('textarea', { rows: Math.min(4, Math.ceil(shown.length / 110) || 1), spellcheck: 'false', onkeydown: run, 'aria-label': `Query ${query.refId || 'A'}`, readonly: query.queryType === 'search' });
  area.value = shown;
  return el('label', { class: 'editor' }, el('b', {}, query.refId || 'A'), area);
}

class TracePanel extends Panel {
  show(frames, errors, range) {
    const frame = frames[0];
    if (errors.length || !frame?.data.values[0]?.length) {
      super.show([], errors, range);
      return;
    }
    this.drawn = [frames, errors, range];
    const names = frame.schema.fields.map((field) => field.name);
    const column = (name) => frame.data.values[names.indexOf(name)];
    const spans = column('spanID').map((id, row) => ({
      id, parent: column('parentSpanID')[row], operation: column('operationName')[row], service: column('serviceName')[row],
      start: column('startTime')[row], length: column('duration')[row], failed: (column('tags')[row] || []).some((tag) => tag.key === 'error' && String(tag.value) === 'true'),
    }));
    const from = Math.min(...spans.map((span) => span.start));
    const total = Math.max(...spans.map((span) => span.start + span.length)) - from || 1;
    const services = [...new Set(spans.map((span) => span.service))].sort();
    const tone = (span) => PALETTE[services.indexOf(span.service) % PALETTE.length];
    this.body.replaceChildren(
      el('div', { class: 'trace-head' }, `${stamp(from, true)} UTC · ${formatValue(total, 'ms')} · ${spans.length} spans · `, ...services.map((service, index) => el('span', { class: 'item' }, el('i', { style: `background:${PALETTE[index % PALETTE.length]}` }), service))),
      el('div', { class: 'spans' }, ...ordered(spans).map(({ span, depth }) => el('div', { class: `span${span.failed ? ' failed' : ''}` },
        el('span', { class: 'operation', style: `padding-left:${depth * 14}px`, title: `${span.service} ${span.operation}` }, el('i', { style: `background:${tone(span)}` }), el('b', {}, span.service), ` ${span.operation}`, span.failed ? el('em', {}, ' error') : null),
        el('span', { class: 'track' }, el('i', { style: `left:${((span.start - from) / total) * 100}%;width:${Math.max(0.3, (span.length / total) * 100)}%;background:${tone(span)}` })),
        el('span', { class: 'length' }, formatValue(span.length, 'ms'))))));
  }
}

function ordered(spans) {
  const known = new Set(spans.map((span) => span.id));
  const found = [];
  const visit = (parent, depth) => {
    for (const span of spans) if ((known.has(span.parent) ? span.parent : null) === parent) { found.push({ span, depth }); visit(span.id, depth + 1); }
  };
  visit(null, 0);
  return found;
}
