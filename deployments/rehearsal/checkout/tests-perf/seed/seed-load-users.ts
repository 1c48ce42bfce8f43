/**
 * Signs up the load test's users and writes their credentials for k6.
 *
 *   API_URL=http://127.0.0.1:4000 TEST_USER_COUNT=10000 npx tsx tests-perf/seed/seed-load-users.ts
 *
 * API_URL            address of the API, required
 * TEST_USER_COUNT    users wanted, required
 * OUTPUT             file to write; default tests-perf/k6/users.json of this repository
 * SEED_CONCURRENCY   sign-ups at a time; default 16
 * SEED_PASSWORD      password of every load user; default below
 * LOAD_TEST_BYPASS   value of the header that passes the API's rate limit; default: header not sent
 *
 * Safe to repeat: an existing user (409) counts as seeded.
 */

import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

interface User {
  email: string;
  password: string;
}

interface Settings {
  apiUrl: string;
  count: number;
  output: string;
  concurrency: number;
  password: string;
  headers: Record<string, string>;
}

/** Something the person at the keyboard can act on; shown as one sentence. */
class SeedError extends Error {}

const ATTEMPTS = 4;
const FIRST_RETRY_MS = 250;
const REQUEST_TIMEOUT_MS = 15_000;
const MAX_USERS = 1_000_000;
const GOOD = new Set([200, 201, 409]);

function readSettings(env: NodeJS.ProcessEnv): Settings {
  const apiUrl = (env.API_URL ?? '').replace(/\/+$/, '');
  if (!/^https?:\/\/[^/]+/.test(apiUrl)) {
    throw new SeedError(`API_URL is '${apiUrl}': the address of the API is wanted, for example http://127.0.0.1:4000.`);
  }
  const here = path.dirname(fileURLToPath(import.meta.url));
  return {
    apiUrl,
    count: wholeNumber('TEST_USER_COUNT', env.TEST_USER_COUNT, MAX_USERS),
    output: path.resolve(env.OUTPUT || path.join(here, '..', 'k6', 'users.json')),
    concurrency: wholeNumber('SEED_CONCURRENCY', env.SEED_CONCURRENCY || '16', 256),
    password: env.SEED_PASSWORD || 'load-test-Passw0rd',
    headers: {
      'content-type': 'application/json',
      ...(env.LOAD_TEST_BYPASS ? { 'x-load-test-bypass': env.LOAD_TEST_BYPASS } : {}),
    },
  };
}

function wholeNumber(name: string, text: string | undefined, most: number): number {
  const value = Number(text);
  if (!text || !Number.isInteger(value) || value < 1 || value > most) {
    throw new SeedError(`${name} is '${text ?? ''}': a whole number from 1 to ${most} is wanted.`);
  }
  return value;
}

function userNumber(index: number, password: string): User {
  return { email: `load-${String(index + 1).padStart(6, '0')}@ebit.test`, password };
}

async function signUp(user: User, settings: Settings): Promise<void> {
  const url = `${settings.apiUrl}/api/auth/signup`;
  let seen = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (attempt > 0) {
      await new Promise((resolve) => setTimeout(resolve, FIRST_RETRY_MS * 2 ** attempt));
    }
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: settings.headers,
        body: JSON.stringify(user),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      const text = await answer.text();
      if (GOOD.has(answer.status)) {
        return;
      }
      seen = `answered ${answer.status} ${text.slice(0, 200)}`;
      if (answer.status < 500 && answer.status !== 429) {
        break;
      }
    } catch (error) {
      const cause = (error as { cause?: { code?: string; message?: string } }).cause;
      seen = `failed: ${cause?.code || cause?.message || (error as Error).message}`;
    }
  }
  throw new SeedError(`POST ${url} ${seen}`);
}

async function seed(settings: Settings): Promise<User[]> {
  const users = Array.from({ length: settings.count }, (_, index) => userNumber(index, settings.password));
  const step = Math.max(1, Math.round(settings.count / 10));
  let next = 0;
  let done = 0;
  let failure: unknown;
  async function work(): Promise<void> {
    while (next < users.length && failure === undefined) {
      const user = users[next];
      next += 1;
      try {
        await signUp(user, settings);
      } catch (error) {
        failure ??= error;
        return;
      }
      done += 1;
      if (done % step === 0 || done === users.length) {
        console.log(`seeded ${done}/${users.length}`);
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(settings.concurrency, users.length) }, work));
  if (failure instanceof SeedError) {
    throw new SeedError(
      `stopped after ${done} of ${users.length} users: ${failure.message}; what is done is kept, run it again once the API answers.`,
    );
  }
  if (failure !== undefined) {
    throw failure;
  }
  return users;
}

/** A reader sees the old file or the whole new one, never a part. */
async function writeAtomically(file: string, text: string): Promise<void> {
  const part = `${file}.part`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(part, text, { mode: 0o600 });
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw new SeedError(`${file} cannot be written: ${(error as Error).message}.`);
  }
}

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  console.log(`seeding ${settings.count} load users at ${settings.apiUrl}, ${settings.concurrency} at a time`);
  const users = await seed(settings);
  await writeAtomically(settings.output, `${JSON.stringify(users)}\n`);
  console.log(`wrote ${users.length} users to ${settings.output}`);
}

main().catch((error: unknown) => {
  console.error(`seed-load-users: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
