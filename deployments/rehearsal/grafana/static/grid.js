// Panels on Grafana's grid: 24 columns, rows of 30 px with 8 px between; rows of panels that fold.
import { el } from './dom.js';

const ROW_PX = 30;
const GAP_PX = 8;

// make(model) builds a Panel; `only` is panel-7 or 7 and shows that panel alone.
export function buildGrid(models, make, only = null) {
  const flat = models.flatMap((model) => [model, ...(model.type === 'row' ? model.panels || [] : [])]);
  if (only !== null) {
    const id = Number(String(only).replace(/^panel-/, ''));
    const model = flat.find((one) => one.id === id && one.type !== 'row');
    if (!model) return el('div', { class: 'not-found' }, el('h1', {}, 'Panel not found'));
    return el('div', { class: 'alone' }, make(model).element);
  }
  const grid = el('div', { class: 'grid' });
  let top = 0;
  let shift = 0;
  const ordered = models.slice().sort((a, b) => place(a).y - place(b).y || place(a).x - place(b).x);
  for (const model of ordered) {
    const { x, y, w, h } = place(model);
    if (model.type === 'row') {
      grid.append(rowElement(model, y + shift, make));
      // nested panels of a folded row are placed as if the row were open
      if (model.panels?.length && !model.collapsed) shift += Math.max(...model.panels.map((one) => place(one).y + place(one).h)) - y - h;
      continue;
    }
    grid.append(cell(make(model), x, y + shift, w, h));
    top = Math.max(top, y + shift + h);
  }
  return grid;
}

function rowElement(model, y, make) {
  const mark = el('span', { class: 'fold' }, model.collapsed ? '▸' : '▾');
  const row = el('div', { class: 'row-title', style: area(0, y, 24, 1), role: 'button', tabindex: 0 }, mark, model.title || '');
  let open = null;
  const toggle = () => {
    if (!model.panels?.length) return;
    if (open) { open.remove(); open = null; } else {
      const lowest = Math.min(...model.panels.map((one) => place(one).y));
      open = el('div', { class: 'grid nested', style: 'grid-column:1/-1' });
      for (const inner of model.panels) {
        const { x, y: innerY, w, h } = place(inner);
        const panel = make(inner);
        open.append(cell(panel, x, innerY - lowest, w, h));
        panel.refresh();
      }
      row.after(open);
    }
    mark.textContent = open ? '▾' : '▸';
  };
  row.addEventListener('click', toggle);
  return row;
}

function cell(panel, x, y, w, h) {
  panel.element.setAttribute('style', `${area(x, y, w, h)};height:${h * ROW_PX + (h - 1) * GAP_PX}px`);
  return panel.element;
}

function area(x, y, w, h) {
  return `grid-column:${x + 1}/span ${w};grid-row:${y + 1}/span ${h}`;
}

function place(model) {
  return { x: 0, y: 0, w: 12, h: 8, ...model.gridPos };
}
