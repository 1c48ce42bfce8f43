// Annotations a dashboard shows: those on it and those its annotation queries name.
import { get } from './api.js';
import { color } from './colors.js';

const DEFAULT_LIMIT = 100;

// [{time, timeEnd, text, tags, color}], times in ms
export async function loadAnnotations(dashboard, range) {
  const queries = (dashboard.annotations?.list || []).filter((query) => query.enable !== false && (query.builtIn || query.datasource?.uid === '-- Grafana --'));
  const lists = await Promise.all(queries.map((query) => load(query, dashboard.uid, range)));
  const seen = new Map();
  // the later query wins: a query by tags colours what the built-in one also found
  for (const note of lists.flat()) seen.set(note.id, note);
  return [...seen.values()];
}

async function load(query, uid, { from, to }) {
  const target = query.target || {};
  const parameters = { from, to, limit: target.limit || DEFAULT_LIMIT };
  if (target.type === 'tags') {
    parameters.tags = target.tags || [];
    parameters.matchAny = Boolean(target.matchAny);
  } else {
    parameters.dashboardUID = uid;
  }
  const found = await get('/api/annotations', parameters);
  return found.map((note) => ({ id: note.id, time: note.time, timeEnd: note.timeEnd || note.time, text: note.text, tags: note.tags, color: color(query.iconColor || 'blue') }));
}
