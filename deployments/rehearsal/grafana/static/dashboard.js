// The page of a dashboard: /d/:uid.
import { get } from './api.js';
import { loadAnnotations } from './annotations.js';
import { controls } from './controls.js';
import { alertError, clearAlert, el, notFound } from './dom.js';
import { buildGrid } from './grid.js';
import { Panel } from './panel.js';
import { durationMs, isRelative, toMs } from './timerange.js';
import { loadOptions, readVariables } from './variables.js';

const NEVER = { '': true, off: true };

export async function showDashboard(page, uid, solo) {
  const parameters = new URLSearchParams(location.search);
  let found;
  try {
    found = await get(`/api/dashboards/uid/${encodeURIComponent(uid)}`);
  } catch (problem) {
    document.title = 'Dashboard not found';
    if (problem.status === 404) page.append(notFound('Dashboard not found', `There is no dashboard with the uid ${uid}.`));
    else alertError('Dashboard could not be loaded', problem.message);
    return;
  }
  new DashboardPage(page, found, parameters, solo).start();
}

class DashboardPage {
  constructor(page, { dashboard, meta }, parameters, solo) {
    this.page = page;
    this.model = dashboard;
    this.meta = meta;
    this.parameters = parameters;
    this.kiosk = solo || (parameters.has('kiosk') && parameters.get('kiosk') !== 'false');
    this.only = solo ? parameters.get('panelId') : parameters.get('viewPanel');
    this.asked = { from: parameters.get('from') || dashboard.time?.from || 'now-6h', to: parameters.get('to') || dashboard.time?.to || 'now' };
    this.refreshEvery = parameters.get('refresh') ?? dashboard.refresh ?? '';
    this.timezone = parameters.get('timezone') || dashboard.timezone;
    this.variables = readVariables(dashboard.templating, parameters);
    this.notes = [];
    this.notesLoaded = Promise.resolve();
    this.fix();
  }

  start() {
    document.title = `${this.model.title} - Dashboards - Stand-in for Grafana`;
    document.body.classList.toggle('kiosk', this.kiosk);
    const source = {
      range: () => this.range, annotations: () => this.notes, annotationsReady: () => this.notesLoaded,
      variables: () => this.variables, utc: () => this.timezone === 'utc', menu: (panel) => this.menu(panel),
    };
    this.panels = [];
    const make = (model) => {
      const panel = new Panel(model, source);
      this.panels.push(panel);
      return panel;
    };
    this.head = el('div', { class: 'head' });
    this.page.replaceChildren(this.head, buildGrid(this.model.panels || [], make, this.only));
    this.drawHead();
    this.refresh();
    this.loadOptions();
    this.schedule();
    window.addEventListener('popstate', () => this.follow());
  }

  // The address changed under the page, as by the back button: its range is shown.
  follow() {
    const parameters = new URLSearchParams(location.search);
    const asked = { from: parameters.get('from') || this.asked.from, to: parameters.get('to') || this.asked.to };
    if (asked.from === this.asked.from && asked.to === this.asked.to) return;
    this.asked = asked;
    this.drawHead();
    this.schedule();
    this.refresh();
  }

  // The range of this refresh: all panels of it show the same.
  fix() {
    const now = Date.now();
    this.range = { from: toMs(this.asked.from, now), to: toMs(this.asked.to, now) };
  }

  refresh() {
    this.fix();
    this.notesLoaded = loadAnnotations(this.model, this.range)
      .then((notes) => { this.notes = notes; clearAlert('Annotation query failed'); })
      .catch((problem) => alertError('Annotation query failed', problem.message));
    for (const panel of this.panels) panel.refresh();
  }

  schedule() {
    clearInterval(this.timer);
    const every = durationMs(this.refreshEvery);
    if (!NEVER[this.refreshEvery] && every >= 1000 && isRelative(this.asked)) {
      this.timer = setInterval(() => { if (!document.hidden) this.refresh(); }, every);
    }
  }

  async loadOptions() {
    for (const variable of this.variables) {
      try {
        await loadOptions(variable, this.range);
      } catch (problem) {
        alertError(`Templating [${variable.name}]`, `Error updating options: ${problem.message}`);
      }
    }
    this.drawHead();
  }

  drawHead() {
    this.head.replaceChildren(controls({
      title: this.model.title, kiosk: this.kiosk, asked: this.asked, utc: this.timezone === 'utc', refreshEvery: this.refreshEvery,
      variables: this.variables.filter((one) => !one.hidden), hide: hidden(this.parameters), back: this.only ? this.address({ viewPanel: null, panelId: null }) : null,
      onRange: (from, to) => { this.asked = { from, to }; this.remember({ from, to }); this.schedule(); this.refresh(); },
      onRefresh: () => this.refresh(),
      onEvery: (every) => { this.refreshEvery = every; this.remember({ refresh: every || null }); this.schedule(); },
      onVariable: (variable, value) => { variable.values = [value]; this.remember({ [`var-${variable.name}`]: value }); this.refresh(); },
      themeAddress: this.address({ theme: document.documentElement.dataset.theme === 'light' ? 'dark' : 'light' }),
      kioskAddress: this.address({ kiosk: 'true' }),
    }));
  }

  menu(panel) {
    if (this.kiosk) return null;
    const view = this.only ? null : el('a', { href: '#', title: 'View this panel alone', onclick: (event) => { event.preventDefault(); location.href = this.address({ viewPanel: `panel-${panel.id}` }); } }, 'View');
    const explore = panel.targets?.length ? el('a', { href: '#', title: 'Open the query in Explore', onclick: (event) => { event.preventDefault(); location.href = this.explore(panel); } }, 'Explore') : null;
    return el('nav', { class: 'panel-menu' }, view, explore);
  }

  explore(panel) {
    const request = this.panels.find((one) => one.model === panel).request(this.range);
    const uid = request.queries[0].datasource.uid;
    const range = { from: String(this.asked.from), to: String(this.asked.to) };
    return `/explore?orgId=1&schemaVersion=1&panes=${encodeURIComponent(JSON.stringify({ a: { datasource: uid, queries: request.queries, range } }))}`;
  }

  address(changes) {
    const next = new URLSearchParams(location.search);
    for (const [key, value] of Object.entries(changes)) if (value === null) next.delete(key); else next.set(key, value);
    return `${this.meta.url}?${next}`;
  }

  remember(changes) {
    history.replaceState(null, '', this.address(changes));
    this.drawHead();
  }
}

function hidden(parameters) {
  const yes = (name) => parameters.has(`_dash.${name}`) && parameters.get(`_dash.${name}`) !== 'false';
  return { timePicker: yes('hideTimePicker'), variables: yes('hideVariables'), links: yes('hideLinks') };
}
