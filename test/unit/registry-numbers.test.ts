import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { decodeSettings, encodeSettings, SETTINGS_ORDER } from '../../lib/core/lease.ts';
import { EPOCH_MS, FENCES_PER_MS, LIMITS, SCHEMA, STAMPS_PER_MS } from '../../lib/core/limits.ts';
import { SETTINGS } from '../support/registry-harness.ts';

/** What both twins must agree on without ever meeting. */
const part = (name: string): string =>
  readFileSync(new URL(`../../lib/registry/redis/lua/parts/${name}.lua`, import.meta.url), 'utf8');

/** The values of `local a, b = 1, 2`, for upper-case names and numbers. */
const constants = new Map(
  [...part('keys').matchAll(/^local ([A-Z_]+(?:, [A-Z_]+)*) = (\d+(?:, \d+)*)$/gm)].flatMap(
    ([, names = '', values = '']) => {
      const numbers = values.split(', ').map(Number);
      return names.split(', ').map((name, at): [string, number | undefined] => [name, numbers[at]]);
    },
  ),
);
const BANDS = ['HELD', 'REVOKING', 'CLAIMED', 'ALIVE', 'FOREVER', 'QUEUE', 'PLACE'];

test('the Lua scripts carry the same limits', () => {
  const limits = Object.fromEntries([...constants].filter(([name]) => !BANDS.includes(name)));
  expect(limits).toEqual({
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
    CONNECT_START: LIMITS.connectStartMs,
    CONNECT_AFTER_MAX: LIMITS.connectAfterMaxMs,
    CONNECT: LIMITS.connectMs,
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
  });
  expect(part('keys')).toContain(`local SCHEMA, LAYOUT = ${SCHEMA}, '${SCHEMA}'\n`);
});

test('the bands of the sorted set never meet, and every score is a whole number to Redis', () => {
  const at = (name: string): number => constants.get(name) ?? Number.NaN;
  const width = at('FOREVER') + 1;
  expect([at('HELD'), at('REVOKING'), at('CLAIMED'), at('ALIVE')]).toEqual([0, width, 2 * width, 3 * width]);
  expect(at('QUEUE')).toBeGreaterThanOrEqual(4 * width);
  expect(at('QUEUE') + LIMITS.groupsMax * at('PLACE')).toBeLessThan(2 ** 53);
  // Times and stamps of the next decades stay within their bands.
  expect(Date.UTC(2095, 0)).toBeLessThan(width);
  expect((Date.UTC(2095, 0) - EPOCH_MS) * STAMPS_PER_MS).toBeLessThan(at('PLACE'));
});

/** The fields of `state` between two places of a text, in order. */
const fieldsIn = (text: string): string[] => [...text.matchAll(/state\.(\w+)/g)].map(([, name = '']) => name);

test('the Lua scripts read the settings in the same order', () => {
  const [, names = ''] = /\n {2}((?:state\.\w+[,\s]+)+)=\s+unpack\(values\)/.exec(part('state')) ?? [];
  const short: Readonly<Record<string, string>> = {
    livenessMs: 'ticketLivenessMs',
    perSecond: 'connectsPerSecond',
    burst: 'connectBurst',
  };
  expect(fieldsIn(names).map((name) => short[name] ?? name)).toEqual([...SETTINGS_ORDER]);
});

test.each(['PULSE', 'CALM', 'REST'])(
  'the fields of %s are written in the order in which they are read',
  (layout) => {
    const [, read = ''] =
      new RegExp(`((?:state\\.\\w+[,\\s]+)+)= struct\\.unpack\\(${layout},`).exec(part('state')) ?? [];
    const [, written = ''] = new RegExp(`struct\\.pack\\(${layout}, ([^)]+)\\)`).exec(part('enter')) ?? [];
    const formats =
      /local PULSE, CALM, REST = '<(?<PULSE>d+)', '<(?<CALM>d+)', '<(?<REST>d+)'/.exec(part('keys'))
        ?.groups ?? {};
    expect(fieldsIn(read)).toHaveLength(formats[layout]?.length ?? 0);
    expect(fieldsIn(written)).toEqual(fieldsIn(read));
  },
);

test('a page of anything stays far below what Redis and its serverless kin take', () => {
  const argumentsPerItem = 11;
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
