import { describe, expect, test } from '@jest/globals';
import { dutyNames, holderOf, idOf } from '../../support/registry-harness.ts';
import type { Scenes } from './scenes.ts';

export const describeSettle = ({ scene, parkedScene }: Scenes): void => {
  describe('abandon, release and settle', () => {
    test('an abandoned unbound lease counts until the connect bound has passed and a look misses it', async () => {
      const it = await scene();
      await it.granted('a');
      await it.abandon('a');
      it.advance(it.settings.connectBoundMs - 1);
      expect(await it.absent('a')).toBe('kept');
      it.advance(1);
      expect(await it.absent('a')).toBe('settled');
      expect(await it.stateOf('a')).toBe('gone');
    });

    test('the connect bound of an abandoned lease counts from the abandonment, however long it was unprotected', async () => {
      const it = await scene();
      await it.granted('a');
      it.advance(it.settings.protectMs + 3 * it.settings.connectBoundMs);
      await it.abandon('a');
      expect(await it.absent('a')).toBe('kept');
      it.advance(it.settings.connectBoundMs - 1);
      expect(await it.absent('a')).toBe('kept');
      it.advance(1);
      expect(await it.absent('a')).toBe('settled');
    });

    test('an unbound lease whose END saw a session is settled at once: a lease opens once', async () => {
      const it = await scene();
      await it.granted('a');
      await it.abandon('a');
      expect(await it.absent('a', { seen: true })).toBe('settled');
    });

    test('a bound lease is settled by a look at the same server, at any time', async () => {
      const it = await scene();
      await it.granted('a');
      await it.abandon('a', { session: 'server1.1' });
      expect(await it.absent('a', { server: 'server2' })).toBe('kept');
      expect(await it.absent('a', { server: 'server2', seen: true })).toBe('kept');
      expect(await it.absent('a', { server: 'server' })).toBe('kept');
      expect(await it.absent('a', { server: 'server1' })).toBe('settled');
    });

    test('another server proves a bound lease gone only through a lease granted after the revocation', async () => {
      const it = await scene({ capacity: 6 });
      await it.granted('old');
      await it.granted('a');
      it.advance(1);
      await it.abandon('a', { session: 'server1.1' });
      it.advance(1);
      await it.granted('new');
      expect(await it.absent('a', { server: 'server2', by: it.ref('old') })).toBe('kept');
      expect(await it.absent('a', { server: 'server2', by: { ...it.ref('new'), fence: 1 } })).toBe('kept');
      expect(await it.absent('a', { server: 'server2', by: it.ref('a') })).toBe('kept');
      expect(await it.absent('a', { server: 'server2', by: it.ref('new') })).toBe('settled');
    });

    test('a session that becomes known late frees the duty at once, and binds what proves it gone', async () => {
      const it = await scene({ capacity: 4, headroom: 2 });
      await it.granted('a');
      await it.granted('b');
      await it.abandon('a');
      expect((await it.renewAll('b')).duties).toEqual([]);
      expect(await it.abandon('a', { session: 'server1.1' })).toBe('abandoned');
      expect((await it.renewAll('b')).duties).toEqual([
        { lease: it.ref('a'), session: 'server1.1', lookAfterMs: 0 },
      ]);
      it.advance(it.settings.connectBoundMs);
      expect(await it.absent('a', { server: 'server2' })).toBe('kept');
      expect(await it.absent('a')).toBe('settled');
    });

    test('a session that becomes known late does not take the duty from its owner', async () => {
      const it = await scene();
      await it.granted('a');
      await it.granted('b');
      await it.park('a');
      expect(dutyNames((await it.granted('c')).duties)).toEqual(['a']);
      await it.abandon('a', { session: 'server1.1' });
      expect((await it.renewAll('c')).duties).toEqual([]);
    });

    test('a late session moves the end too: the probe waits for its idle time', async () => {
      const it = await scene({ capacity: 1, headroom: 0 });
      await it.granted('a');
      await it.abandon('a');
      it.advance(1_000);
      await it.abandon('a', { session: 'server1.1' });
      it.advance(it.settings.connectBoundMs);
      expect(await it.ask('b')).toMatchObject({ kind: 'denied' });
      it.advance(it.settings.idleMs);
      expect(await it.ask('b')).toMatchObject({ kind: 'granted', isProbe: true });
    });

    test('who cannot end a session frees the duty for others', async () => {
      const it = await parkedScene(['a'], { capacity: 6, headroom: 2 });
      await it.abandon('a');
      expect(dutyNames((await it.granted('b')).duties)).toEqual(['a']);
      expect((await it.renewAll('b')).duties).toEqual([]);
      expect(await it.cannot('a')).toBe('kept');
      expect(dutyNames((await it.renewAll('b')).duties)).toEqual(['a']);
      expect(await it.stateOf('a')).toBe('revoking');
    });

    test('who cannot end an unbound session frees it no sooner than a look would prove something', async () => {
      const it = await scene();
      await it.granted('a');
      await it.granted('b');
      await it.park('a');
      await it.granted('c');
      expect(await it.cannot('a')).toBe('kept');
      expect((await it.renewAll('c')).duties).toEqual([]);
      it.advance(it.settings.connectBoundMs);
      expect(dutyNames((await it.renewAll('c')).duties)).toEqual(['a']);
    });

    test('held leases and unknown ids are never settled', async () => {
      const it = await scene();
      await it.granted('a');
      await it.renew('a', { session: 'server1.1' });
      it.advance(20_000);
      expect(await it.absent('a', { seen: true })).toBe('unknown');
      expect(await it.cannot('a')).toBe('unknown');
      expect(await it.absent('never')).toBe('unknown');
      expect(await it.stateOf('a')).toBe('revocable');
    });

    test('a holder that saw the end releases also what was revoked from it: that settles at once', async () => {
      const it = await parkedScene(['a', 'b']);
      await it.granted('c');
      expect(await it.release('a')).toBe('released');
      expect(await it.report()).toMatchObject({ held: 2, revoking: 0 });
    });

    test('a batch is answered item by item, in order', async () => {
      const it = await scene();
      const { fence } = await it.granted('a');
      const holder = holderOf('a');
      const good = { id: idOf('a'), fence };
      const bad = { id: idOf('b'), fence: 1 };
      const renewed = await it.registry.renew(it.resource, holder, [
        { ...bad, turn: 1, idle: false },
        { ...good, turn: 1, idle: false },
      ]);
      expect(renewed.outcomes).toMatchObject([{ kind: 'lost' }, { kind: 'held' }]);
      const parked = await it.registry.park(it.resource, holder, [
        { ...good, turn: 2 },
        { ...bad, turn: 2 },
      ]);
      expect(parked.outcomes).toEqual([{ kind: 'parked' }, { kind: 'lost', reason: 'unknown' }]);
      const items = [bad, good, good].map((ref) => ({ ...ref, outcome: 'closed' as const }));
      expect(await it.registry.release(it.resource, holder, items)).toEqual([
        'unknown',
        'released',
        'unknown',
      ]);
      expect((await it.registry.renew(it.resource, holder, [])).outcomes).toEqual([]);
    });
  });
};
