// Short ramp: 2,000 to 10,000 virtual users in five levels over 21 minutes, for a look before the whole one.
// Each level rises for 1 minute and holds for 3 minutes 12 seconds: 5 x 4 min 12 s = 21 min.
//
//   k6 run -e API_URL=http://127.0.0.1:4000 tests-perf/profiles/short-ramp.js
//
// Needs ../k6/users.json (tests-perf/seed/seed-load-users.ts). Variables: ../k6/lib/config.js.

import { SharedArray } from 'k6/data';

import * as actions from '../k6/lib/actions.js';
import { parseUsers, userOf } from '../k6/lib/users.js';

const users = new SharedArray('users', () => parseUsers(open('../k6/users.json')));

const LEVELS = [2000, 4000, 6000, 8000, 10000];
const RISE = '1m';
const HOLD = '3m12s';

// Share of the virtual users at every level, in per cent.
const SHARES = { signin: 40, bet: 30, history: 20, ws: 10 };

function scenario(exec) {
  return {
    executor: 'ramping-vus',
    exec,
    startVUs: 0,
    stages: LEVELS.flatMap((level) => {
      const target = (level * SHARES[exec]) / 100;
      return [
        { duration: RISE, target },
        { duration: HOLD, target },
      ];
    }),
    gracefulRampDown: '10s',
    gracefulStop: '10s',
  };
}

export const options = {
  scenarios: {
    signin: scenario('signin'),
    bet: scenario('bet'),
    history: scenario('history'),
    ws: scenario('ws'),
  },
  thresholds: {
    'http_req_duration{scenario:signin}': [{ threshold: 'p(95)<500', abortOnFail: true, delayAbortEval: '30s' }],
    http_req_failed: [{ threshold: 'rate<0.05', abortOnFail: true, delayAbortEval: '30s' }],
    'http_req_duration{scenario:bet}': ['p(95)<500'],
    'http_req_duration{scenario:history}': ['p(95)<500'],
    ws_connecting: ['p(95)<1000'],
    checks: ['rate>0.95'],
  },
  tags: { testid: 'ebit-short-ramp', project: 'ebit' },
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
