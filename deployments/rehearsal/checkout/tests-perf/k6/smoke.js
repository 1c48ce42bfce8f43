// Smoke: 50 virtual users for one minute over all four scenarios.
//
//   k6 run -e API_URL=http://127.0.0.1:4000 tests-perf/k6/smoke.js
//
// Needs users.json beside it (tests-perf/seed/seed-load-users.ts). Variables: lib/config.js.

import { SharedArray } from 'k6/data';

import * as actions from './lib/actions.js';
import { parseUsers, userOf } from './lib/users.js';

const users = new SharedArray('users', () => parseUsers(open('./users.json')));

function scenario(exec, vus) {
  return { executor: 'constant-vus', exec, vus, duration: '1m', gracefulStop: '10s' };
}

export const options = {
  scenarios: {
    signin: scenario('signin', 20),
    bet: scenario('bet', 15),
    history: scenario('history', 10),
    ws: scenario('ws', 5),
  },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    checks: ['rate>0.99'],
    'http_req_duration{scenario:signin}': ['p(95)<200'],
    'http_req_duration{scenario:bet}': ['p(95)<500'],
    'http_req_duration{scenario:history}': ['p(95)<500'],
    ws_connecting: ['p(95)<1000'],
  },
  tags: { testid: 'ebit-smoke' },
};

export function signin() {
  actions.signin(userOf(users));
}

export function bet() {
  actions.bet(userOf(users));
}

export function history() {
  actions.history(userOf(users));
}

export function ws() {
  actions.websocket(userOf(users));
}
