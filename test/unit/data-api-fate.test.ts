import { describe, expect, test } from '@jest/globals';
import { openFailureOf, sqlStateOf, verdictOn } from '../../lib/driver/data-api/fate.ts';
import { readResult } from '../../lib/driver/data-api/result.ts';
import { readCensus, readEnd, readLook } from '../../lib/driver/data-api/sessions.ts';

const answered = (name: string, httpStatusCode: number, message = '') => ({
  name,
  message,
  $metadata: { httpStatusCode },
});

describe('the fate of a call', () => {
  const table: readonly (readonly [object, string, boolean])[] = [
    [{ syscall: 'connect', code: 'ECONNREFUSED' }, 'unsent', true],
    [{ syscall: 'getaddrinfo', code: 'ENOTFOUND' }, 'unsent', true],
    [{ errors: [{ syscall: 'connect' }, { syscall: 'connect' }] }, 'unsent', true],
    [{ errors: [{ syscall: 'connect' }, { syscall: 'read' }] }, 'unknown', false],
    [{ syscall: 'read', code: 'ECONNRESET' }, 'unknown', false],
    [{ syscall: 'read', code: 'EHOSTUNREACH' }, 'unknown', false],
    [{ name: 'TimeoutError' }, 'unknown', false],
    [{ name: 'AbortError' }, 'unknown', false],
    [answered('ThrottlingException', 400), 'refused', true],
    [answered('TooManyRequestsException', 429), 'refused', true],
    [answered('Anything', 429), 'refused', true],
    [answered('DatabaseResumingException', 400), 'refused', true],
    [
      answered('DatabaseErrorException', 400, 'FATAL: too many connections for role "x"; SQLState: 53300'),
      'refused',
      true,
    ],
    [
      answered('DatabaseErrorException', 400, 'ERROR: raised by a function; SQLState: 53300'),
      'answered',
      false,
    ],
    [answered('DatabaseErrorException', 400, 'ERROR: duplicate key; SQLState: 23505'), 'answered', false],
    [answered('StatementTimeoutException', 400), 'answered', false],
    [answered('ForbiddenException', 403), 'answered', false],
    [
      { name: 'InvalidSignatureException', $metadata: { httpStatusCode: 403, clockSkewCorrected: true } },
      'refused',
      true,
    ],
    [answered('InternalServerErrorException', 500), 'unknown', false],
    [answered('ServiceUnavailableError', 503), 'unknown', false],
    [answered('DatabaseUnavailableException', 504), 'unknown', false],
  ];
  for (const [error, fate, mayRepeat] of table) {
    test(`${JSON.stringify(error)} is ${fate}${mayRepeat ? ', and is sent again' : ''}`, () => {
      expect(verdictOn(error)).toEqual({ fate, mayRepeat });
    });
  }

  test('whatever is thrown has one, and only what was surely not executed is sent again', () => {
    for (const thrown of [
      undefined,
      null,
      0,
      'text',
      [],
      {},
      { $metadata: null },
      { errors: [] },
      new Error('x'),
    ])
      expect(verdictOn(thrown)).toEqual({ fate: 'unknown', mayRepeat: false });
  });

  test('an open that failed says why', () => {
    const kind = (error: object, isTimeout = false) => openFailureOf(error, verdictOn(error).fate, isTimeout);
    expect(kind({ name: 'AbortError' }, true)).toBe('timeout');
    expect(kind({ syscall: 'read' })).toBe('cut');
    expect(kind({ syscall: 'connect' })).toBe('unreachable');
    expect(kind(answered('DatabaseUnavailableException', 504))).toBe('starting');
    expect(kind(answered('DatabaseErrorException', 400, 'FATAL: no; SQLState: 28P01'))).toBe('auth');
    expect(kind(answered('DatabaseErrorException', 400, 'FATAL: too many; SQLState: 53300'))).toBe('refused');
    expect(kind(answered('BadRequestException', 400))).toBe('rejected');
  });

  test('the SQLSTATE is read at the end of the message, and nowhere else', () => {
    expect(sqlStateOf({ message: 'ERROR: no such table; Position: 15; SQLState: 42P01' })).toBe('42P01');
    for (const message of ['SQLState: 4', 'SQLState:42P01', '', 42])
      expect(sqlStateOf({ message })).toBeUndefined();
    expect(sqlStateOf(undefined)).toBeUndefined();
  });
});

describe('answers that are not what they should be', () => {
  const $metadata = {};

  test('missing parts are empty', () => {
    expect(readResult({ $metadata })).toEqual({ rows: [], columns: [], updated: 0 });
    expect(readResult({ $metadata, records: [[{ longValue: 1 }]] }).rows).toEqual([{ 0: 1 }]);
    expect(readResult({ $metadata, records: [[{} as never]], columnMetadata: [{}] }).rows).toEqual([
      { 0: null },
    ]);
  });

  test('a type with the name of something inherited is text', () => {
    const columnMetadata = [{ name: 'v', typeName: 'constructor' }];
    expect(readResult({ $metadata, columnMetadata, records: [[{ stringValue: 'x' }]] }).rows).toEqual([
      { v: 'x' },
    ]);
  });

  test('session lists are read by their words alone', () => {
    expect(
      readEnd([
        { there: '0', spared: '0' },
        { there: '2', spared: '0' },
        { there: '2', spared: '1' },
      ]),
    ).toEqual(['absent', 'seen', 'denied']);
    // What is not a number is no proof of absence.
    expect(readLook([{ there: '0' }, { there: '1' }, { there: null }, {}])).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(() => readCensus('s', [{ label: 'lh:a', pid: 'x', started: '1' }])).toThrow('did not say');
  });
});
