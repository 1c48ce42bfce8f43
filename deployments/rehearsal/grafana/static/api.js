// Calls to the server the page came from; the page's cookie makes them those of an anonymous viewer.

export class ApiProblem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function get(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) query.append(key, one);
  }
  const text = query.toString();
  return answer(await reach(text ? `${path}?${text}` : path));
}

// Body of an answer to POST /api/ds/query. Failing refIds answer 400 with results: those are no exception.
export async function postQueries(body, signal) {
  const response = await reach('/api/ds/query', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal,
  });
  const found = await response.json().catch(() => ({}));
  if (found.results) return found.results;
  throw new ApiProblem(response.status, found.message || `HTTP ${response.status}`);
}

// Runs work as one query: renderers and screenshots wait until the count is back at 0, which is after the drawing.
export async function counted(work) {
  change(1);
  try {
    return await work();
  } finally {
    change(-1);
  }
}

function change(by) {
  window.__grafanaRunningQueryCount = (window.__grafanaRunningQueryCount ?? 0) + by;
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (problem) {
    if (problem.name === 'AbortError') throw problem;
    throw new ApiProblem(0, 'The server does not answer');
  }
}

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiProblem(response.status, body.message || `HTTP ${response.status}`);
  return body;
}
