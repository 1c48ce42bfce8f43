// Ranges of time: relative (now-15m) or epoch milliseconds; time zone; texts for axes and header.

const UNITS = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5, M: 2592e6, y: 31536e6 };
const WORDS = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week', M: 'month', y: 'year' };
const MS_TICKS = [1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5];

export function toMs(moment, now = Date.now()) {
  if (typeof moment === 'number') return moment;
  if (/^\d+$/.test(moment)) return Number(moment);
  const match = /^now(?:([+-])(\d+)([smhdwMy]))?(?:\/[smhdwMy])?$/.exec(moment);
  if (!match) {
    const parsed = Date.parse(moment);
    return Number.isNaN(parsed) ? now : parsed;
  }
  if (!match[1]) return now;
  return now + (match[1] === '+' ? 1 : -1) * Number(match[2]) * UNITS[match[3]];
}

export function durationMs(text) {
  const match = /^(\d+(?:\.\d+)?)(ms|[smhdwMy])$/.exec(text || '');
  if (!match) return 0;
  return Number(match[1]) * (match[2] === 'ms' ? 1 : UNITS[match[2]]);
}

export function isRelative(range) {
  return String(range.to).startsWith('now') || String(range.from).startsWith('now');
}

export function rangeText(range, utc) {
  const match = /^now-(\d+)([smhdwMy])$/.exec(range.from);
  if (match && range.to === 'now') {
    const amount = Number(match[1]);
    return `Last ${amount === 1 ? '' : `${amount} `}${WORDS[match[2]]}${amount === 1 ? '' : 's'}`;
  }
  return `${stamp(toMs(range.from), utc)} to ${stamp(toMs(range.to), utc)}`;
}

// 2026-11-23 08:10:00
export function stamp(ms, utc) {
  const p = fields(ms, utc);
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second}`;
}

// Moments for an axis, with the text of each: at most `count`.
export function timeTicks(from, to, count, utc) {
  const step = MS_TICKS.find((one) => (to - from) / one <= count) || MS_TICKS.at(-1);
  const shift = utc ? 0 : new Date(from).getTimezoneOffset() * 6e4;
  const ticks = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) {
    const p = fields(at, utc);
    const text = step >= 864e5 ? `${p.month}/${p.day}` : step >= 6e4 ? `${p.hour}:${p.minute}` : `${p.hour}:${p.minute}:${p.second}`;
    ticks.push({ at, text });
  }
  return ticks;
}

function fields(ms, utc) {
  const date = new Date(ms);
  const pick = (name) => date[`get${utc ? 'UTC' : ''}${name}`]();
  const two = (number) => String(number).padStart(2, '0');
  return {
    year: pick('FullYear'), month: two(pick('Month') + 1), day: two(pick('Date')),
    hour: two(pick('Hours')), minute: two(pick('Minutes')), second: two(pick('Seconds')),
  };
}
