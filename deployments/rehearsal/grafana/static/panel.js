// One panel: its frame, its queries when it becomes visible, its states.
import { counted, postQueries } from './api.js';
import { el } from './dom.js';
import { drawText, drawVisual, hasData } from './visuals.js';
import { interpolate } from './variables.js';

const LAZY_MARGIN = '100px';
const DEFAULT_POINTS = 1000;
const DEFAULT_MIN_STEP_MS = 1000;

export class Panel {
  // source: {range(), annotations(), variables(), utc(), menu(panel)}; embedded frames make it a snapshot's panel.
  constructor(model, source, embedded = null) {
    this.model = model;
    this.source = source;
    this.embedded = embedded;
    this.visible = false;
    this.wanted = false;
    this.drawn = null;
    this.status = el('span', { class: 'status' });
    this.spinner = el('span', { class: 'spinner', 'aria-label': 'loading' });
    this.title = el('h2', {}, '');
    this.body = el('div', { class: 'panel-body', 'data-testid': 'data-testid panel content' });
    this.element = el('section', { class: `panel type-${model.type}`, 'data-viz-panel-key': `panel-${model.id}`, 'data-testid': `data-testid Panel header ${model.title}` },
      el('header', { class: 'panel-header' }, this.status, this.title, model.description ? el('span', { class: 'info', title: model.description }, 'i') : null,
        this.spinner, source.menu ? source.menu(model) : null), this.body);
    new IntersectionObserver((entries) => {
      this.visible = entries.at(-1).isIntersecting;
      if (this.visible && this.wanted) this.refresh();
    }, { rootMargin: LAZY_MARGIN }).observe(this.element);
    let width = 0;
    new ResizeObserver(() => {
      if (width && width !== this.body.clientWidth) this.redraw();
      width = this.body.clientWidth;
    }).observe(this.body);
  }

  // Query and draw now when visible, else as soon as it is: panels out of sight cost nothing.
  refresh() {
    this.wanted = !this.visible;
    this.title.textContent = interpolate(this.model.title || '', this.source.variables(), 'text');
    if (!this.visible) return;
    if (this.embedded) this.show(this.embedded, []);
    else if (this.model.type === 'text') drawText(this.body, this.model);
    else this.query();
  }

  redraw() {
    if (this.drawn) this.show(...this.drawn);
  }

  async query() {
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    this.element.classList.add('loading');
    await counted(async () => {
      try {
        const range = this.source.range();
        const results = await postQueries(this.request(range), abort.signal);
        const answers = Object.values(results);
        await this.source.annotationsReady?.();
        this.show(answers.flatMap((answer) => answer.frames || []), answers.map((answer) => answer.error).filter(Boolean), range);
      } catch (problem) {
        if (problem.name !== 'AbortError') this.show([], [problem.message], this.source.range());
      }
    });
    if (this.abort === abort) this.element.classList.remove('loading');
  }

  request(range) {
    const points = this.model.maxDataPoints || Math.max(100, Math.round(this.body.clientWidth)) || DEFAULT_POINTS;
    const least = stepMs(this.model.interval) || DEFAULT_MIN_STEP_MS;
    const intervalMs = Math.max(least, Math.round((range.to - range.from) / points));
    const queries = this.model.targets.filter((target) => !target.hide).map((target) => interpolateAll({
      ...target, datasource: target.datasource || this.model.datasource, intervalMs, maxDataPoints: points,
    }, this.source.variables(), range));
    return { from: String(range.from), to: String(range.to), queries };
  }

  show(frames, errors, range = this.source.range()) {
    this.drawn = [frames, errors, range];
    this.status.replaceChildren(...(errors.length ? [el('button', {
      class: 'error-banner', type: 'button', title: errors.join('\n'), 'data-testid': 'data-testid Panel status error', 'aria-label': `Panel status: ${errors[0]}`,
    }, '!')] : []));
    this.element.classList.toggle('failed', errors.length > 0);
    if (hasData(frames)) {
      drawVisual(this.body, this.model, frames, { range, annotations: this.source.annotations(), utc: this.source.utc() });
      return;
    }
    // Grafana uses this test id for errors and for "No data" alike
    this.body.replaceChildren(el('div', { class: 'message', 'data-testid': 'data-testid Panel data error message' },
      errors.length ? el('span', { class: 'error-text' }, errors[0]) : 'No data'));
  }
}

function interpolateAll(value, variables, range) {
  if (typeof value === 'string') return interpolate(value, variables, 'query', range);
  if (Array.isArray(value)) return value.map((one) => interpolateAll(one, variables, range));
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, interpolateAll(one, variables, range)]));
  return value;
}

function stepMs(text) {
  const match = /^>?(\d+)(ms|s|m|h)$/.exec(text || '');
  return match ? Number(match[1]) * { ms: 1, s: 1e3, m: 6e4, h: 36e5 }[match[2]] : 0;
}
