// Which load user a virtual user is.

import exec from 'k6/execution';

// idInTest starts at 1 and is unique over all instances of a segmented test: no two share a user
// while there are at least as many users as virtual users.
export function userOf(users) {
  return users[(exec.vu.idInTest - 1) % users.length];
}

export function parseUsers(text) {
  const users = JSON.parse(text);
  if (!Array.isArray(users) || users.length === 0) {
    throw new Error('users.json holds no users: seed them with tests-perf/seed/seed-load-users.ts');
  }
  return users;
}
