import { describe, expect, test } from '@jest/globals';
import type { OpenFailure } from '../../lib/driver/driver.ts';
import { isUnreachable } from '../../lib/driver/network.ts';
import {
  connectError,
  isFatal,
  isServerError,
  localFailure,
  serverFailure,
} from '../../lib/driver/postgres/failure.ts';
import { hasSettings } from '../../lib/driver/postgres/session.ts';
import { durationMs, nextDialect, startupOptions } from '../../lib/driver/postgres/settings.ts';

const nodeError = (code: string, message = code): Error => Object.assign(new Error(message), { code });
const serverError = (code: string, severity = 'FATAL'): Error =>
  Object.assign(new Error('the server says'), { code, severity });

describe('what the server says about a login', () => {
  const table: [code: string, meaning: string, failure: OpenFailure][] = [
    ['53300', 'too many connections, of the server, the database or the role', 'refused'],
    ['53400', 'too many new connections a second (DSQL)', 'refused'],
    ['28P01', 'wrong password', 'auth'],
    ['28000', 'no such role, or no entry in pg_hba.conf', 'auth'],
    ['57P03', 'starting up, shutting down, in recovery', 'starting'],
    ['57P01', 'ended by the administrator during the login', 'starting'],
    ['57P02', 'crashed during the login', 'starting'],
    ['3D000', 'no such database', 'rejected'],
    ['42704', 'unknown setting', 'rejected'],
    ['0A000', 'startup options are not supported (RDS Proxy)', 'rejected'],
    ['08P01', 'startup parameter not supported (PgBouncer)', 'rejected'],
    ['42501', 'no right to connect to this database', 'rejected'],
    ['XX000', 'whatever else', 'rejected'],
  ];
  for (const [code, meaning, failure] of table) {
    test(`${code} (${meaning}) is ${failure}`, () => expect(serverFailure(code)).toBe(failure));
  }
});

describe('what an error on this side means', () => {
  const table: [error: Error, failure: OpenFailure][] = [
    [nodeError('ECONNRESET'), 'cut'],
    [nodeError('EPIPE'), 'cut'],
    [nodeError('ETIMEDOUT'), 'cut'],
    [new Error('Connection terminated unexpectedly'), 'cut'],
    [nodeError('SELF_SIGNED_CERT_IN_CHAIN'), 'auth'],
    [nodeError('DEPTH_ZERO_SELF_SIGNED_CERT'), 'auth'],
    [nodeError('CERT_HAS_EXPIRED'), 'auth'],
    [nodeError('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), 'auth'],
    [nodeError('ERR_TLS_CERT_ALTNAME_INVALID'), 'auth'],
    [new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'), 'auth'],
    [new Error('The server does not support SSL connections'), 'rejected'],
  ];
  for (const [error, failure] of table) {
    test(`${Reflect.get(error, 'code') ?? error.message} is ${failure}`, () =>
      expect(localFailure(error)).toBe(failure));
  }
});

describe('only an error that came before any TCP connection means unreachable', () => {
  for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ENOENT']) {
    test(`${code} does`, () => expect(isUnreachable(nodeError(code))).toBe(true));
  }
  for (const code of ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'CERT_HAS_EXPIRED']) {
    test(`${code} does not`, () => expect(isUnreachable(nodeError(code))).toBe(false));
  }
  test('of several addresses every one must have failed so', () => {
    const [refused, late] = [nodeError('ECONNREFUSED'), nodeError('ETIMEDOUT')];
    expect(isUnreachable(new AggregateError([refused, refused]))).toBe(true);
    expect(isUnreachable(Object.assign(new AggregateError([refused, late]), { code: 'ECONNREFUSED' }))).toBe(
      false,
    );
  });
});

describe('the end of a session', () => {
  test('is a fatal message, by its severity or, where that is translated, by its code', () => {
    const ends = (code: string, severity?: string): boolean => {
      const error = serverError(code, severity);
      return isServerError(error) && isFatal(error);
    };
    expect(ends('57P01')).toBe(true);
    expect(ends('57P05', 'FATAAL')).toBe(true);
    expect(ends('25P03', 'ВАЖНО')).toBe(true);
    expect(ends('25P04', 'ERROR')).toBe(true);
    expect(ends('XX000', 'PANIC')).toBe(true);
    expect(ends('23505', 'ERROR')).toBe(false);
    expect(ends('25P02', 'ERROR')).toBe(false);
    expect(ends('57014', 'ERROR')).toBe(false);
  });

  test('is not an error of Node', () => expect(isServerError(nodeError('ECONNRESET'))).toBe(false));
});

describe('the error of a failed connect', () => {
  const address = { host: 'db', port: 5432 };
  test('says what, where and whether a retry can help', () => {
    const error = connectError('refused', serverError('53300'), address);
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', retryable: true });
    expect(error.message).toBe('No connection to PostgreSQL at db:5432 (refused): the server says [53300]');
    expect(error.details).toEqual({ engine: 'postgres', failure: 'refused', code: '53300', ...address });
    expect(connectError('auth', serverError('28P01'), address).retryable).toBe(false);
    expect(connectError('rejected', serverError('3D000'), address).retryable).toBe(false);
    expect(connectError('rejected', serverError('XX000'), address).retryable).toBe(true);
  });
});

describe('the ways to say the session settings', () => {
  test('ours come behind the user’s own, each in milliseconds', () => {
    const settings = { label: 'x', idleMs: 1_500 };
    expect(startupOptions('full', settings, '-c a=b')).toBe(
      '-c a=b -c idle_in_transaction_session_timeout=1500 -c idle_session_timeout=1500 ' +
        '-c client_connection_check_interval=2000 -c tcp_user_timeout=1500',
    );
    expect(startupOptions('old', settings, undefined)).toBe('-c idle_in_transaction_session_timeout=1500');
    expect(startupOptions('old', { ...settings, statementTimeoutMs: 70 }, undefined)).toBe(
      '-c idle_in_transaction_session_timeout=1500 -c statement_timeout=70',
    );
    expect(startupOptions('bare', { ...settings, statementTimeoutMs: 70 }, undefined)).toBeUndefined();
    expect(startupOptions('bare', settings, '-c a=b')).toBe('-c a=b');
  });

  test('a refusal that speaks of settings leads to the next way, any other to none', () => {
    expect(nextDialect('full', '42704')).toBe('old');
    expect(nextDialect('full', '22023')).toBe('old');
    expect(nextDialect('old', '42704')).toBe('bare');
    expect(nextDialect('full', '08P01')).toBe('bare');
    expect(nextDialect('full', '0A000')).toBe('bare');
    expect(nextDialect('bare', '42704')).toBeUndefined();
    for (const code of ['53300', '28P01', '57P03', '3D000'])
      expect(nextDialect('full', code)).toBeUndefined();
  });

  test('what a pooler has dropped is noticed, each setting by itself; what a server does not have is not missed', () => {
    const answer = (row: object) => ({
      rows: [{ label: 'x', idle: '10s', idle_in_transaction: '10s', statement: '0', ...row }],
    });
    const settings = { label: 'x', idleMs: 10_000 };
    const has = (row: object): boolean => hasSettings(answer(row), settings);
    expect(has({})).toBe(true);
    expect(has({ idle: null })).toBe(true);
    expect(has({ idle: '0' })).toBe(false);
    expect(has({ idle: null, idle_in_transaction: '0' })).toBe(false);
    expect(has({ label: '' })).toBe(false);
    expect(hasSettings({ rows: [] }, settings)).toBe(false);
  });

  test('a statement timeout is missed only where the lease wants one', () => {
    const row = { label: 'x', idle: null, idle_in_transaction: null };
    const has = (statement: string | null, statementTimeoutMs?: number): boolean => {
      const wanted = statementTimeoutMs === undefined ? {} : { statementTimeoutMs };
      return hasSettings({ rows: [{ ...row, statement }] }, { label: 'x', idleMs: 1, ...wanted });
    };
    expect([has('5s'), has('0'), has('5s', 5_000), has(null, 5_000)]).toEqual([true, true, true, true]);
    expect([has('0', 5_000), has('6s', 5_000)]).toEqual([false, false]);
  });

  test('durations are read in every unit that SHOW writes', () => {
    const shown = ['0', '1ms', '1500ms', '10s', '5min', '1h', '2d', 'x'].map(durationMs);
    expect(shown).toEqual([0, 1, 1_500, 10_000, 300_000, 3_600_000, 172_800_000, Number.NaN]);
  });
});
