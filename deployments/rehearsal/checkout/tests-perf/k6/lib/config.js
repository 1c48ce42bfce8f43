// Where the system under test is, and how fast a virtual user acts.
//
// API_URL            address of the API, required
// WS_URL             address of rt; default: API_URL's host, ws(s), port RT_PORT
// RT_PORT            port of rt when WS_URL is not given; default 4001
// THINK_S            pause of a virtual user between two actions, seconds; default 1
// WS_SESSION_S       how long a WebSocket stays open, seconds; default 5
// LOAD_TEST_BYPASS   value of the header that passes the API's rate limit; default: header not sent

if (!__ENV.API_URL) {
  throw new Error('API_URL is not set: pass the address of the API, for example -e API_URL=http://127.0.0.1:4000');
}

export const API_URL = __ENV.API_URL.replace(/\/+$/, '');
export const WS_URL = (__ENV.WS_URL || websocketUrl(API_URL, __ENV.RT_PORT || '4001')).replace(/\/+$/, '');
export const THINK_S = number('THINK_S', 1);
export const WS_SESSION_S = number('WS_SESSION_S', 5);

export const HEADERS = Object.assign(
  { 'Content-Type': 'application/json' },
  __ENV.LOAD_TEST_BYPASS ? { 'X-Load-Test-Bypass': __ENV.LOAD_TEST_BYPASS } : {},
);

function websocketUrl(api, port) {
  const parts = /^http(s?):\/\/(\[[^\]]+\]|[^/:]+)/.exec(api);
  if (!parts) {
    throw new Error(`API_URL is ${api}: an address that starts with http:// or https:// is wanted`);
  }
  return `ws${parts[1]}://${parts[2]}:${port}`;
}

function number(name, byDefault) {
  const value = __ENV[name] === undefined || __ENV[name] === '' ? byDefault : Number(__ENV[name]);
  if (!(value >= 0)) {
    throw new Error(`${name} is ${__ENV[name]}: a number of seconds is wanted`);
  }
  return value;
}
