import { describe, expect, test } from '@jest/globals';
import type { OpenFailure } from '../../lib/driver/driver.ts';
import { connectError, isServerError, localFailure, serverFailure } from '../../lib/driver/mysql/failure.ts';
import { hasLabel, takeLabel } from '../../lib/driver/mysql/label.ts';
import { ServerStatus } from '../../lib/driver/mysql/status.ts';
import { isUnreachable } from '../../lib/driver/network.ts';

const nodeError = (code: string, more: object = {}): Error =>
  Object.assign(new Error(code), { code, ...more });
const serverError = (errno: number): Error =>
  Object.assign(new Error('the server says'), { code: 'ER_X', errno, sqlMessage: 'the server says' });

describe('what the server says about a login', () => {
  const table: [errno: number, meaning: string, failure: OpenFailure][] = [
    [1040, 'too many connections of the server', 'refused'],
    [1203, 'too many connections of the user, by the server’s limit', 'refused'],
    [1226, 'too many connections of the user, by its own limit', 'refused'],
    [1135, 'no more threads', 'refused'],
    [1044, 'no right to this database', 'auth'],
    [1045, 'wrong user or password', 'auth'],
    [1130, 'not from this host', 'auth'],
    [3118, 'account locked', 'auth'],
    [1053, 'shutting down', 'starting'],
    [1927, 'killed during the login', 'starting'],
    [1049, 'no such database', 'rejected'],
    [1251, 'an authentication method that is not known', 'rejected'],
    [9999, 'whatever else', 'rejected'],
  ];
  for (const [errno, meaning, failure] of table) {
    test(`${errno} (${meaning}) is ${failure}`, () => expect(serverFailure(errno)).toBe(failure));
  }

  test('no retry mends a wrong password or a missing database; a full server may have room later', () => {
    const retryable = (errno: number): boolean =>
      connectError(serverFailure(errno), serverError(errno), { host: 'h', port: 1 }).retryable;
    expect([1045, 1049, 1226, 1053].map(retryable)).toEqual([false, false, true, true]);
  });
});

describe('what an error on this side means', () => {
  const table: [error: Error, failure: OpenFailure][] = [
    [nodeError('ECONNRESET', { syscall: 'read' }), 'cut'],
    [nodeError('PROTOCOL_CONNECTION_LOST'), 'cut'],
    [nodeError('HANDSHAKE_SSL_ERROR'), 'auth'],
    [nodeError('HANDSHAKE_SSL_ERROR', { syscall: 'read' }), 'cut'],
    [nodeError('HANDSHAKE_NO_SSL_SUPPORT'), 'auth'],
    [nodeError('AUTH_SWITCH_PLUGIN_ERROR'), 'auth'],
    [new Error('whatever'), 'rejected'],
  ];
  for (const [error, failure] of table) {
    test(`${error.message} is ${failure}`, () => expect(localFailure(error)).toBe(failure));
  }

  test('only the server’s own messages are the server’s', () => {
    expect(isServerError(serverError(1040))).toBe(true);
    expect(isServerError(nodeError('ECONNREFUSED', { errno: -111 }))).toBe(false);
  });

  test('of several addresses each must have been out of reach', () => {
    const [refused, reset] = [nodeError('ECONNREFUSED'), nodeError('ECONNRESET')];
    expect(isUnreachable(refused)).toBe(true);
    expect(isUnreachable(new AggregateError([refused, refused]))).toBe(true);
    expect(isUnreachable(new AggregateError([refused, reset]))).toBe(false);
  });
});

describe('the state of a session, by the last message of a command', () => {
  const read = (...messages: number[][]): ServerStatus => {
    const status = new ServerStatus();
    for (const bytes of messages) {
      const buffer = Buffer.from([9, 9, ...bytes]);
      status.read({ buffer, offset: 2, end: buffer.length }, 2);
    }
    return status;
  };
  const AUTOCOMMIT = 2;
  const IN_TRANSACTION = 3;

  test('an OK says it behind two numbers of any width, an EOF at once', () => {
    expect(read([0, 1, 1, IN_TRANSACTION, 0]).isInTransaction).toBe(true);
    expect(read([0, 0xfc, 1, 1, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8, IN_TRANSACTION, 0]).isInTransaction).toBe(true);
    expect(read([0xfe, 0, 0, IN_TRANSACTION, 0]).isInTransaction).toBe(true);
    expect(read([0, 0, 0, AUTOCOMMIT, 0]).isInTransaction).toBe(false);
  });

  test('a message that is cut short says nothing, and so the worst is supposed', () => {
    const ok = [0, 0xfc, 1, 1, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8, AUTOCOMMIT];
    for (let length = 1; length <= ok.length; length += 1)
      expect(read(ok.slice(0, length)).isInTransaction).toBe(true);
    for (const eof of [[0xfe], [0xfe, 0, 0, AUTOCOMMIT]]) expect(read(eof).isInTransaction).toBe(true);
    expect(read([0xff, 0x0a])).toMatchObject({ isInTransaction: false, isReadOnly: false });
  });

  test('without autocommit there is always a transaction', () => {
    expect(read([0, 0, 0, 0, 0]).isInTransaction).toBe(true);
  });

  test('an error says nothing of it, except that nothing can be written here any more', () => {
    const failed = read([0, 0, 0, IN_TRANSACTION, 0], [0xff, 0x15, 0x04]);
    expect(failed).toMatchObject({ isInTransaction: true, isReadOnly: false });
    for (const errno of [1290, 1792, 1836])
      expect(read([0xff, errno & 0xff, errno >> 8]).isReadOnly).toBe(true);
  });
});

describe('a label made of locks', () => {
  const LEASE = 'lh:orders.abc123:LLLLLLLLLLLLLLLL:1z';

  test('a lease’s label has to be had in full: itself, two marks, and a lock for each character', () => {
    const count = 3 + 'LLLLLLLLLLLLLLLL:1z'.length;
    expect(takeLabel(LEASE).match(/GET_LOCK/g)).toHaveLength(count);
    expect(hasLabel(LEASE, String(count))).toBe(true);
    for (const taken of [String(count - 1), null, undefined]) expect(hasLabel(LEASE, taken)).toBe(false);
  });

  test('any other one is looked for by nobody', () => {
    expect(hasLabel('lh-sweep:orders.abc123', '0')).toBe(true);
    expect(hasLabel('', '0')).toBe(true);
  });
});
