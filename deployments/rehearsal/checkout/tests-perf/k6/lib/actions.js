// What a virtual user does in each of the four scenarios.
//
// Every request carries the tag `endpoint` (signin, bet, history, ws). Virtual users of bet, history and ws sign in
// once and keep their token. That sign-in is tagged scenario=signin: it is one, and `http_req_duration{scenario:bet}`
// stays the time of dice requests alone. `iterations` and `iteration_duration` keep the scenario that runs.

import { check, sleep } from 'k6';
import http from 'k6/http';
import ws from 'k6/ws';

import { API_URL, HEADERS, THINK_S, WS_SESSION_S, WS_URL } from './config.js';

const SIGNIN_TAGS = { scenario: 'signin', endpoint: 'signin' };

// Module state is per virtual user: its token, and whether it has begun.
let token = null;
let begun = false;

export function signin(user) {
  begin();
  requestToken(user);
  think();
}

export function bet(user) {
  begin();
  if (!signedIn(user)) {
    return;
  }
  const body = JSON.stringify({ amount: 1 + Math.floor(Math.random() * 10), target: 50 });
  const answer = http.post(`${API_URL}/api/bets/dice`, body, { headers: authorized(), tags: { endpoint: 'bet' } });
  check(answer, { 'bet: 201': (r) => r.status === 201 }, { endpoint: 'bet' });
  forgetRefused(answer);
  think();
}

export function history(user) {
  begin();
  if (!signedIn(user)) {
    return;
  }
  const answer = http.get(`${API_URL}/api/bets/history`, { headers: authorized(), tags: { endpoint: 'history' } });
  check(answer, { 'history: 200': (r) => r.status === 200 }, { endpoint: 'history' });
  forgetRefused(answer);
  think();
}

export function websocket(user) {
  begin();
  if (!signedIn(user)) {
    return;
  }
  let received = 0;
  // rt takes the token as ?token= from browsers. Here it goes in a header: k6 stores the address with every sample,
  // and each token would be in the results and a time series of its own.
  const params = { headers: authorized(), tags: { endpoint: 'ws' } };
  const answer = ws.connect(`${WS_URL}/rt`, params, (socket) => {
    socket.on('open', () => {
      socket.send(JSON.stringify({ type: 'bet', amount: 1, target: 50 }));
      socket.setTimeout(() => socket.close(), WS_SESSION_S * 1000);
    });
    socket.on('message', () => {
      received += 1;
    });
  });
  const tags = { endpoint: 'ws' };
  check(answer, { 'ws: handshake 101': (r) => r && r.status === 101 }, tags);
  check(received, { 'ws: messages came': (count) => count > 0 }, tags);
  if (answer && answer.status === 401) {
    token = null;
  }
  think();
}

function signedIn(user) {
  if (token === null && !requestToken(user)) {
    think();
  }
  return token !== null;
}

function requestToken(user) {
  const answer = http.post(`${API_URL}/api/auth/signin`, JSON.stringify(user), {
    headers: HEADERS,
    tags: SIGNIN_TAGS,
  });
  const good = check(answer, { 'signin: 200': (r) => r.status === 200 }, SIGNIN_TAGS);
  token = good ? answer.json('accessToken') : null;
  return good;
}

function authorized() {
  return Object.assign({ Authorization: `Bearer ${token}` }, HEADERS);
}

function forgetRefused(answer) {
  if (answer.status === 401) {
    token = null;
  }
}

// Virtual users that start in the same moment do not act in the same moment.
function begin() {
  if (!begun) {
    begun = true;
    sleep(Math.random() * THINK_S);
  }
}

function think() {
  sleep(THINK_S);
}
