// The page of a snapshot: draws the frames it holds and queries nothing.
import { get } from './api.js';
import { color } from './colors.js';
import { alertError, el, notFound } from './dom.js';
import { buildGrid } from './grid.js';
import { Panel } from './panel.js';
import { rangeText, toMs } from './timerange.js';
import { readVariables } from './variables.js';

export async function showSnapshot(page, key) {
  let found;
  try {
    found = await get(`/api/snapshots/${encodeURIComponent(key)}`);
  } catch (problem) {
    document.title = 'Snapshot not found';
    if (problem.status === 404) page.append(notFound('Snapshot not found', 'It was deleted, has expired, or never was.'));
    else alertError('Snapshot could not be loaded', problem.message);
    return;
  }
  const { dashboard } = found;
  const utc = dashboard.timezone === 'utc';
  const range = { from: toMs(dashboard.time?.from ?? 'now-1h'), to: toMs(dashboard.time?.to ?? 'now') };
  const notes = (dashboard.annotations?.list || []).flatMap((query) => (query.snapshotData || []).map((note) => ({
    time: note.time, timeEnd: note.timeEnd || note.time, text: note.text || note.title || '', tags: note.tags, color: color(query.iconColor || 'blue'),
  })));
  const variables = readVariables(dashboard.templating, new URLSearchParams());
  const source = { range: () => range, annotations: () => notes, variables: () => variables, utc: () => utc };
  const panels = [];
  const make = (model) => {
    const panel = new Panel(model, source, embeddedFrames(model));
    panels.push(panel);
    return panel;
  };
  const parameters = new URLSearchParams(location.search);
  document.title = `${dashboard.title} - Snapshot - Stand-in for Grafana`;
  page.replaceChildren(
    el('div', { class: 'head' }, el('div', { class: 'controls' }, el('div', { class: 'crumbs' },
      el('a', { href: '/' }, 'Home'), el('span', {}, '›'), el('strong', {}, dashboard.title), el('span', { class: 'tag' }, `Snapshot of ${found.meta.created.replace('T', ' ').replace('Z', ' UTC')}`),
      el('span', { class: 'grow' }), el('span', { class: 'range-text' }, rangeText({ from: String(range.from), to: String(range.to) }, utc), utc ? el('em', {}, ' UTC') : ''),
      el('a', { class: 'button', href: dashboard.snapshot?.originalUrl || '/' }, 'Go to original dashboard')))),
    buildGrid(dashboard.panels || [], make, parameters.get('viewPanel')));
  for (const panel of panels) panel.refresh();
}

// Frames of the newer form (targets with queryType "snapshot") or of the older one (snapshotData).
function embeddedFrames(model) {
  const newer = (model.targets || []).flatMap((target) => target.snapshot || []);
  const older = (model.snapshotData || []).map((frame) => (frame.schema ? frame : {
    schema: { fields: frame.fields.map(({ values, ...field }) => field) }, data: { values: frame.fields.map((field) => field.values) },
  }));
  return [...newer, ...older];
}
