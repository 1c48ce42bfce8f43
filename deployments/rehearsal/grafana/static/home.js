// The list of dashboards, data sources and snapshots.
import { get } from './api.js';
import { alertError, el } from './dom.js';

export async function showHome(page, signIn) {
  document.title = 'Dashboards - Stand-in for Grafana';
  const box = el('div', { class: 'home' });
  page.replaceChildren(el('div', { class: 'head' }, el('div', { class: 'controls' }, el('div', { class: 'crumbs' }, el('strong', {}, 'Home'),
    el('span', { class: 'grow' }), el('a', { class: 'button', href: '/explore' }, 'Explore')))), box);
  if (signIn) box.append(el('p', { class: 'hint' }, 'Nobody signs in here: pages are open to anonymous viewers, the API takes service-account tokens.'));
  try {
    const [dashboards, sources, snapshots] = await Promise.all([get('/api/search'), get('/api/datasources'), get('/api/dashboard/snapshots')]);
    box.append(
      list('Dashboards', dashboards.map((one) => [el('a', { href: one.url }, one.title), ...one.tags.map((tag) => el('span', { class: 'tag' }, tag))])),
      list('Data sources', sources.map((one) => [el('a', { href: exploreAddress(one) }, one.name), el('span', { class: 'hint' }, one.url), health(one)])),
      list('Snapshots', snapshots.map((one) => [el('a', { href: `/dashboard/snapshot/${encodeURIComponent(one.key)}` }, one.name), el('span', { class: 'hint' }, one.created.replace('T', ' ').replace('Z', ' UTC'))])));
  } catch (problem) {
    alertError('The list could not be loaded', problem.message);
  }
}

function list(title, rows) {
  const items = rows.length ? rows.map((row) => el('li', {}, ...row)) : [el('li', { class: 'hint' }, 'None yet.')];
  return el('section', {}, el('h1', {}, title), el('ul', {}, ...items));
}

function health(source) {
  const mark = el('span', { class: 'tag' }, '…');
  get(`/api/datasources/uid/${source.uid}/health`)
    .then((body) => { mark.textContent = body.status; mark.classList.add('good'); })
    .catch((problem) => { mark.textContent = 'ERROR'; mark.title = problem.message; mark.classList.add('bad'); });
  return mark;
}

function exploreAddress(source) {
  const query = { refId: 'A', datasource: { type: source.type, uid: source.uid }, ...(source.type === 'jaeger' ? { queryType: 'search', service: 'api' } : { expr: 'up' }) };
  return `/explore?orgId=1&schemaVersion=1&panes=${encodeURIComponent(JSON.stringify({ a: { datasource: source.uid, queries: [query], range: { from: 'now-15m', to: 'now' } } }))}`;
}
