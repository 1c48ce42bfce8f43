// Building elements; text is always set as text, never as markup.

const SVG = 'http://www.w3.org/2000/svg';

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function notFound(title, text) {
  return el('div', { class: 'not-found', 'data-testid': 'data-testid entity-not-found' },
    el('h1', {}, title), el('p', {}, text), el('a', { href: '/' }, 'Go to the list of dashboards'));
}

// An alert at the top of the page, for what concerns no single panel.
export function alertError(title, text) {
  let stack = document.getElementById('alerts');
  if (!stack) {
    stack = el('div', { id: 'alerts' });
    document.body.append(stack);
  }
  const same = [...stack.children].find((alert) => alert.dataset.title === title);
  if (same) same.remove();
  stack.append(el('div', { class: 'alert', role: 'alert', 'data-title': title, 'data-testid': 'data-testid Alert error' },
    el('strong', {}, title), el('span', {}, text)));
}

export function clearAlert(title) {
  const stack = document.getElementById('alerts');
  if (stack) for (const alert of [...stack.children]) if (alert.dataset.title === title) alert.remove();
}
