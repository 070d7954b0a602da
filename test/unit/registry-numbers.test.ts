import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { decodeSettings, encodeSettings, SETTINGS_ORDER } from '../../lib/core/lease.ts';
import { EPOCH_MS, FENCES_PER_MS, LIMITS, SCHEMA, STAMPS_PER_MS } from '../../lib/core/limits.ts';
import { SETTINGS } from '../support/registry-harness.ts';

/** What both twins must agree on without ever meeting. */
const prelude = readFileSync(new URL('../../lib/registry/redis/lua/prelude.lua', import.meta.url), 'utf8');

/** The values of `local a, b = 1, 2`, for upper-case names and numbers. */
const constants = new Map(
  [...prelude.matchAll(/^local ([A-Z_]+(?:, [A-Z_]+)*) = (\d+(?:, \d+)*)$/gm)].flatMap(
    ([, names = '', values = '']) => {
      const numbers = values.split(', ').map(Number);
      return names.split(', ').map((name, at): [string, number | undefined] => [name, numbers[at]]);
    },
  ),
);

test('the Lua prelude carries the same limits', () => {
  expect(Object.fromEntries(constants)).toEqual({
    SCHEMA,
    EPOCH: EPOCH_MS,
    FENCES: FENCES_PER_MS,
    STAMPS: STAMPS_PER_MS,
    REAP: LIMITS.reapMax,
    PAGE: LIMITS.pageMax,
    DUTIES: LIMITS.dutiesPerReply,
    HINTS: LIMITS.hintRanks,
    POLL: LIMITS.pollMaxMs,
    RENEWALS: LIMITS.renewalsPerSecond,
    PROBE: LIMITS.probeDelayMs,
    PROBE_MAX: LIMITS.probeDelayMaxMs,
  });
});

test('the Lua prelude reads the settings in the same order', () => {
  const [, names = ''] = /\n {2}([\w, ]+) = unpack\(values\)/.exec(prelude) ?? [];
  const short: Readonly<Record<string, string>> = { livenessMs: 'ticketLivenessMs' };
  expect(names.split(', ').map((name) => short[name] ?? name)).toEqual([...SETTINGS_ORDER]);
});

test('a page of anything stays far below what Redis and its serverless kin take', () => {
  const argumentsPerItem = 5;
  expect(LIMITS.pageMax * argumentsPerItem + 20).toBeLessThan(3_999);
});

describe('settings on the wire', () => {
  test('they come back as they went', () => {
    expect(encodeSettings(SETTINGS)).toBe('3,1,10000,60000,4000,200,5000,1500,5');
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
