import { describe, expect, test } from '@jest/globals';
import {
  readConfigure,
  readGrant,
  readPark,
  readRelease,
  readRenew,
  readSweep,
  readWord,
  readWords,
} from '../../lib/registry/redis/replies.ts';
import { readReport } from '../../lib/registry/redis/report-reply.ts';
import { SETTINGS } from '../support/registry-harness.ts';

const SPEC = '3,1,10000,60000,4000,200,5000,1500,5,1000,0,1';
const IN_FORCE = [SPEC, 2, 'paused', 500];
const CENSUS = [1_780_000_000_000, 1];
const readAsk = (value: unknown): unknown => readGrant(value, SETTINGS);
const DUTY = ['lease', 7, 'server1.1', 0];

interface Reader {
  readonly read: (value: unknown) => unknown;
  readonly good: readonly unknown[];
}

const READERS: Readonly<Record<string, Reader>> = {
  granted: { read: readAsk, good: ['granted', 9, 10, 11, 0, 12, 13, 0, 1, 0, [DUTY], IN_FORCE, CENSUS] },
  queued: { read: readAsk, good: ['queued', 1, 2, 3, 'PAUSED', 79, 80, 1, 1, []] },
  denied: { read: readAsk, good: ['denied', 'DEADLINE_NEAR', 500, 'PAUSED', 79, 80] },
  lost: { read: readAsk, good: ['lost', 'revoked'] },
  renewed: {
    read: (value) => readRenew(value, 3),
    good: ['renewed', 1, 2, 3, [['held', 5, 1], ['lost', 'expired'], ['forgotten']], [DUTY], [], CENSUS],
  },
  parked: {
    read: (value) => readPark(value, 3),
    good: ['parked', 0, [['parked'], ['held', 5], ['lost', 'unknown']], IN_FORCE],
  },
  words: {
    read: (value) => readWords(value, 2, 'released', 'unknown'),
    good: ['done', 'released', 'unknown'],
  },
  word: { read: (value) => readWord(value, 'stale'), good: ['done', 'stale'] },
  swept: { read: readSweep, good: ['swept', 1, 2, 3, 4, [DUTY], []] },
  configured: { read: readConfigure, good: ['created', SPEC, 74_000] },
  report: {
    read: readReport,
    good: [
      ...['state', SPEC, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1_780_000_000_000, 2, 'paused', 500, [7_000], 'closed'],
      [['g', 0, 5, 1, 1, 0]],
      [['lease', 7, 'protected', 'h', 'g', '-', 0]],
      [1_000, 0, [2_000]],
    ],
  },
};

const incompatible = { code: 'REGISTRY_INCOMPATIBLE', retryable: false };
const refusalOf = ({ read }: Reader, value: unknown): unknown => {
  try {
    return read(value);
  } catch (error) {
    return error;
  }
};

describe.each(Object.entries(READERS))('%s', (_, reader) => {
  test('a good reply is read', () => {
    expect(reader.read(reader.good)).toBeDefined();
  });

  test('what is no array, or starts with no known word, is refused', () => {
    for (const value of [null, undefined, 'OK', 0, 1.5, {}, [], ['granted2'], [null], [['granted']]]) {
      expect(refusalOf(reader, value)).toMatchObject(incompatible);
    }
  });

  test('every field that is missing or of another type is refused', () => {
    for (let at = 0; at < reader.good.length; at++) {
      expect(refusalOf(reader, reader.good.slice(0, at))).toMatchObject(incompatible);
      for (const bad of [
        null,
        undefined,
        -1,
        1.5,
        Number.NaN,
        2 ** 60,
        'no such word',
        {},
        [[]],
        [['x', 'y']],
      ]) {
        const isText = typeof bad === 'string' && typeof reader.good[at] === 'string';
        const isSpec = reader.good[at] === SPEC;
        if (
          isText &&
          at > 0 &&
          !isSpec &&
          reader.good[0] !== 'done' &&
          reader.good[0] !== 'denied' &&
          reader.good[0] !== 'lost'
        )
          continue;
        expect(refusalOf(reader, reader.good.with(at, bad))).toMatchObject(incompatible);
      }
    }
  });

  test('an upgrade is told as such', () => {
    expect(refusalOf(reader, ['upgrade', 2])).toMatchObject({
      ...incompatible,
      message: expect.stringMatching(/schema 2.*upgrade/),
    });
  });
});

test('a reply with too few or too many items for the request is refused', () => {
  const renewed = (outcomes: unknown[]) => ['renewed', 0, 0, 0, outcomes, [], [], []];
  expect(() => readRenew(renewed([['held', 1, 0]]), 2)).toThrow(/Not a reply/);
  expect(() => readRenew(renewed([['held', 1, 0]]), 0)).toThrow(/Not a reply/);
  expect(() => readPark(['parked', 0, [], []], 1)).toThrow(/Not a reply/);
  expect(() => readWords(['done'], 1, 'released')).toThrow(/Not a reply/);
});

test('a bare fence is a grant in the settings of the caller, negative under pressure', () => {
  const { protectMs, idleMs, dutyMs } = SETTINGS;
  const plain = {
    kind: 'granted',
    fence: 7,
    protectMs,
    idleMs,
    dutyMs,
    connectAfterMs: 0,
    renewAfterMs: 3_333,
  };
  const rest = { isProbe: false, duties: [] };
  expect(readGrant(7, SETTINGS)).toEqual({ ...plain, ...rest, pressure: false });
  expect(readGrant(-7, SETTINGS)).toEqual({ ...plain, ...rest, pressure: true });
});

test('a bare word is the release of one lease', () => {
  expect(readRelease('released', 1)).toEqual(['released']);
  expect(() => readRelease('released', 2)).toThrow(/Not a reply/);
});

test('flags are 0 or 1', () => {
  expect(() => readAsk(['queued', 1, 2, 3, '-', 79, 80, 2, 0, []])).toThrow(/Not a reply/);
});

test('settings that cannot be read are no settings', () => {
  expect(() => readConfigure(['created', '1,2,3', 0])).toThrow(/Not a reply/);
});

test('a long reply is not shown whole', () => {
  const { message } = refusalOf(READERS['lost'] as Reader, ['x'.repeat(10_000)]) as Error;
  expect(message.length).toBeLessThan(300);
});
