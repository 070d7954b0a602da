import { describe, expect, test } from '@jest/globals';
import { isRenewable } from '../../lib/core/password.ts';
import { type RotatingSecretOptions, rotatingSecret } from '../../lib/credentials/rotating-secret.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A vault that counts its callers, and fails or hangs on command. */
const vaultOf = (options: RotatingSecretOptions = {}) => {
  const clock = new FakeClock();
  const vault = { text: 'one', asked: [] as (string | undefined)[], isAway: false, hangs: false };
  const fetch = async (refused?: string): Promise<string> => {
    vault.asked.push(refused);
    if (vault.isAway) throw new Error('away');
    if (vault.hangs) await new Promise(() => undefined);
    return vault.text;
  };
  const random = { fraction: () => 0.5, id: () => 'id' };
  return { clock, vault, secret: rotatingSecret(fetch, { clock, random, ...options }) };
};

const passing = async <Result>(clock: FakeClock, ms: number, work: Promise<Result>): Promise<Result> => {
  await clock.advanceAsync(ms);
  return work;
};

describe('a secret that somebody rotates', () => {
  test('is fetched once for many callers, and again after its time', async () => {
    const { clock, vault, secret } = vaultOf({ ttlMs: 1_000 });
    expect(await Promise.all([secret(), secret(), secret()])).toEqual(['one', 'one', 'one']);
    await clock.advanceAsync(999);
    expect([await secret(), vault.asked.length]).toEqual(['one', 1]);
    vault.text = 'two';
    await clock.advanceAsync(1);
    expect([await secret(), vault.asked.length]).toEqual(['two', 2]);
  });

  test('is fetched again once for all whose login was refused, after a pause drawn from the spread', async () => {
    const { clock, vault, secret } = vaultOf({ spreadMs: 400 });
    await secret();
    vault.text = 'two';
    const renewed = Promise.all([secret.renew('one'), secret.renew('one')]);
    await clock.advanceAsync(199);
    expect(vault.asked).toEqual([undefined]);
    expect(await passing(clock, 1, renewed)).toEqual([true, true]);
    expect(vault.asked).toEqual([undefined, 'one']);
    expect(await secret.renew('one')).toBe(true);
    expect([await secret(), vault.asked.length]).toEqual(['two', 2]);
  });

  test('that has not changed yet makes no second attempt, and is not fetched in haste', async () => {
    const { clock, vault, secret } = vaultOf({ spreadMs: 0 });
    await secret();
    expect(await passing(clock, 1, secret.renew('one'))).toBe(false);
    expect(await passing(clock, 900, secret.renew('one'))).toBe(false);
    expect(vault.asked).toHaveLength(2);
    vault.text = 'two';
    await clock.advanceAsync(100);
    expect(await passing(clock, 1, secret.renew('one'))).toBe(true);
  });

  test('tells of a change, to whoever still listens, and not of the first fetch', async () => {
    const { clock, vault, secret } = vaultOf({ spreadMs: 0 });
    let heard = 0;
    const listener = (): void => {
      heard += 1;
    };
    const listening = secret.onChange(listener);
    await secret();
    vault.text = 'two';
    await passing(clock, 1, secret.renew('one'));
    expect(heard).toBe(1);
    listening[Symbol.dispose]();
    vault.text = 'three';
    await passing(clock, 1, secret.renew('two'));
    expect(heard).toBe(1);
  });

  test('stays as it was while its vault is away, and is asked for again a little later', async () => {
    const { clock, vault, secret } = vaultOf({ ttlMs: 1_000 });
    await secret();
    await clock.advanceAsync(1_000);
    vault.isAway = true;
    expect([await secret(), await secret(), vault.asked.length]).toEqual(['one', 'one', 2]);
    vault.isAway = false;
    vault.text = 'two';
    await clock.advanceAsync(10_000);
    expect(await secret()).toBe('two');
  });

  test('that was never had is an error of its reader, in bounded time', async () => {
    const { clock, vault, secret } = vaultOf({ timeoutMs: 500 });
    vault.isAway = true;
    await expect(secret()).rejects.toThrow('away');
    Object.assign(vault, { isAway: false, hangs: true });
    const late = expect(secret()).rejects.toThrow('within 500 ms');
    await passing(clock, 500, late);
    Object.assign(vault, { hangs: false, text: '' });
    await expect(secret()).rejects.toThrow('no password');
  });

  test('is a function, as pg wants it, that a driver can tell from a plain one', () => {
    expect(isRenewable(vaultOf().secret)).toBe(true);
    expect(isRenewable(async () => 'one')).toBe(false);
  });

  test('with wrong options is refused with every problem at once', () => {
    // @ts-expect-error wrong on purpose
    expect(() => rotatingSecret('text', { ttlMs: 0, spreadMs: -1, timeoutMs: 1.5 })).toThrow(
      /fetch:.*ttlMs:.*spreadMs:.*timeoutMs:/s,
    );
  });
});
