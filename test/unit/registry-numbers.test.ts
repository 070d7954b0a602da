import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { decodeSettings, encodeSettings, SETTINGS_ORDER } from '../../lib/core/lease.ts';
import { EPOCH_MS, FENCES_PER_MS, LIMITS, SCHEMA, STAMPS_PER_MS } from '../../lib/core/limits.ts';
import { SETTINGS } from '../support/registry-harness.ts';

/** What both twins must agree on without ever meeting. */
const part = (name: string): string =>
  readFileSync(new URL(`../../lib/registry/redis/lua/parts/${name}.lua`, import.meta.url), 'utf8');

/** The values of `local A, B = 1, 'text'`, for upper-case names and literals; powers of two are the bands of scores. */
const constants = new Map(
  [...part('keys').matchAll(/^local ([A-Z_]+(?:, [A-Z_]+)*) = (\d+(?:, (?:\d+|'[^']*'))*)$/gm)].flatMap(
    ([, names = '', values = '']) => {
      const literals = values.split(', ');
      return names.split(', ').map((name, at): [string, string | undefined] => [name, literals[at]]);
    },
  ),
);

test('the Lua scripts carry the same limits', () => {
  const numbers: Readonly<Record<string, number>> = {
    SCHEMA,
    EPOCH: EPOCH_MS,
    FENCES: FENCES_PER_MS,
    STAMPS: STAMPS_PER_MS,
    REAP: LIMITS.reapMax,
    PAGE: LIMITS.pageMax,
    DUTIES: LIMITS.dutiesPerReply,
    HINTS: LIMITS.hintRanks,
    OFFERS: LIMITS.offersMax,
    GROUPS: LIMITS.groupsMax,
    VICTIMS: LIMITS.victimsMax,
    POLL: LIMITS.pollMaxMs,
    RENEWALS: LIMITS.renewalsPerSecond,
    PROBE: LIMITS.probeDelayMs,
    PROBE_MAX: LIMITS.probeDelayMaxMs,
    CONNECT_AFTER_MAX: LIMITS.connectAfterMaxMs,
    CENSUS_DUTY: LIMITS.censusDutyMs,
    FAREWELLS_MAX: LIMITS.farewellsMax,
    DISTRUST: LIMITS.distrustMs,
    WINDOW: LIMITS.breakerWindowMs,
    FAILURES: LIMITS.breakerFailures,
    MEMORY: LIMITS.breakerMemory,
    TRIALS: LIMITS.breakerProbes,
    OPEN_FOR: LIMITS.breakerOpenMs,
    OPEN_FOR_MAX: LIMITS.breakerOpenMaxMs,
    AUTH_FOR: LIMITS.breakerAuthMs,
    AUTH_FOR_MAX: LIMITS.breakerAuthMaxMs,
  };
  const bands = ['HELD', 'REVOKING', 'CLAIMED', 'ALIVE', 'FOREVER', 'QUEUE', 'PLACE'];
  const others = Object.fromEntries([...constants].filter(([name]) => !bands.includes(name)));
  const inLua = Object.entries(numbers).map(([name, value]): [string, string] => [name, String(value)]);
  expect(others).toEqual({ ...Object.fromEntries(inLua), LAYOUT: `'${SCHEMA}'` });
});

test('the Lua scripts read the settings in the same order', () => {
  const [, names = ''] = /\n {2}([\w, .]+) =\s+unpack\(values\)/.exec(part('state')) ?? [];
  const short: Readonly<Record<string, string>> = {
    livenessMs: 'ticketLivenessMs',
    perSecond: 'connectsPerSecond',
    burst: 'connectBurst',
  };
  const read = names.split(', ').map((name) => name.replace('state.', ''));
  expect(read.map((name) => short[name] ?? name)).toEqual([...SETTINGS_ORDER]);
});

test('a page of anything stays far below what Redis and its serverless kin take', () => {
  const argumentsPerItem = 10;
  expect(LIMITS.pageMax * argumentsPerItem + 20).toBeLessThan(3_999);
});

describe('settings on the wire', () => {
  test('they come back as they went', () => {
    expect(encodeSettings(SETTINGS)).toBe('3,1,10000,60000,4000,200,5000,1500,5,1000,0,1');
    expect(decodeSettings(encodeSettings(SETTINGS))).toEqual(SETTINGS);
  });

  test.each([
    '',
    '1,2,3',
    '1,2,3,4,5,6,7,8',
    '1,2,3,4,5,6,7,8,9,10',
    '1,2,3,4,5,6,7,8,x',
    '1,2,3,4,5,6,7,8,9.5',
  ])('%j is refused', (text) => expect(() => decodeSettings(text)).toThrow(RangeError));
});
