import { describe, expect, test } from '@jest/globals';
import { LIMITS } from '../../lib/core/limits.ts';
import {
  type Admission,
  type AdmissionView,
  decideAdmission,
  mayProbe,
  probeDelayMs,
  renewAfterMs,
  shouldYield,
  underPressure,
} from '../../lib/core/policy.ts';
import { SETTINGS } from '../support/registry-harness.ts';

/** capacity 10, headroom 2 */
const settings = { ...SETTINGS, capacity: 10, headroom: 2 };
const calm: AdmissionView = {
  settings,
  held: 0,
  revoking: 0,
  ahead: 0,
  isPoll: false,
  hasFreeDuty: false,
  hasRevocable: false,
  mayProbe: false,
};

/** Law L1: what the decision makes of the count. A takeover and a revocation add one, for their victim still counts. */
const expectCapacityHolds = (view: AdmissionView, admission: Admission): void => {
  const { capacity, headroom } = view.settings;
  const count = view.held + view.revoking;
  const after = count + (admission === 'none' ? 0 : 1);
  if (admission === 'probe') expect(view.held).toBe(0);
  else if (admission === 'room') expect(after).toBeLessThanOrEqual(capacity - headroom);
  else if (admission !== 'none') expect(after).toBeLessThanOrEqual(capacity);
};

describe('the decision to grant', () => {
  test.each<[string, Partial<AdmissionView>, Admission]>([
    ['room in an empty resource', {}, 'room'],
    ['the last place before the headroom', { held: 7 }, 'room'],
    ['no room in the headroom', { held: 8 }, 'none'],
    ['revoking entries take room', { held: 3, revoking: 5 }, 'none'],
    ['room before a takeover', { held: 3, revoking: 4, hasFreeDuty: true, hasRevocable: true }, 'room'],
    [
      'a takeover before a revocation',
      { held: 7, revoking: 1, hasFreeDuty: true, hasRevocable: true },
      'takeover',
    ],
    ['a revocation into the headroom', { held: 8, hasRevocable: true }, 'revoke'],
    ['the last place of the headroom', { held: 9, hasRevocable: true }, 'revoke'],
    ['no revocation at the capacity', { held: 10, hasRevocable: true }, 'none'],
    ['no takeover at the capacity', { held: 8, revoking: 2, hasFreeDuty: true }, 'none'],
    ['no room past a ticket', { ahead: 1 }, 'none'],
    ['no takeover past a ticket', { held: 8, ahead: 1, hasFreeDuty: true }, 'none'],
    ['no revocation past a ticket', { held: 8, ahead: 1, hasRevocable: true }, 'none'],
    ['no probe past a ticket', { revoking: 10, ahead: 1, mayProbe: true }, 'none'],
    ['a poll takes room past tickets', { held: 7, ahead: 10, isPoll: true }, 'room'],
    ['but not past room + capacity of them', { held: 7, ahead: 11, isPoll: true }, 'none'],
    ['a poll revokes only as the best', { held: 8, ahead: 1, isPoll: true, hasRevocable: true }, 'none'],
    ['the best poll revokes', { held: 8, ahead: 0, isPoll: true, hasRevocable: true }, 'revoke'],
    ['a probe where nothing is held', { revoking: 10, mayProbe: true }, 'probe'],
    ['a probe goes beyond the capacity', { revoking: 12, mayProbe: true }, 'probe'],
    ['a probe within the capacity, where every duty has an owner', { revoking: 9, mayProbe: true }, 'probe'],
    ['no probe where something is held', { held: 1, revoking: 9, mayProbe: true }, 'none'],
    [
      'no probe where nothing is revoking',
      { mayProbe: true, ahead: 0, settings: { ...settings, headroom: 10 } },
      'none',
    ],
    ['no probe before its time', { revoking: 10 }, 'none'],
  ])('%s', (_, view, expected) => {
    const whole = { ...calm, ...view };
    expect(decideAdmission(whole)).toBe(expected);
    expectCapacityHolds(whole, expected);
  });

  test('L1 the capacity holds after every decision over every small view', () => {
    const counts: Record<Admission, number> = { room: 0, takeover: 0, revoke: 0, probe: 0, none: 0 };
    const flags = [true, false];
    for (const capacity of [1, 2, 3, 5])
      for (let headroom = 0; headroom <= capacity / 2; headroom++)
        for (let held = 0; held <= capacity + 1; held++)
          for (let revoking = 0; held + revoking <= capacity + 2; revoking++)
            for (const ahead of [0, 1, capacity, capacity + 1, 3 * capacity])
              for (const isPoll of flags)
                for (const hasFreeDuty of flags)
                  for (const hasRevocable of flags)
                    for (const canProbe of flags) {
                      const view: AdmissionView = {
                        settings: { ...settings, capacity, headroom },
                        held,
                        revoking,
                        ahead,
                        isPoll,
                        hasFreeDuty: hasFreeDuty && revoking > 0,
                        hasRevocable: hasRevocable && held > 0,
                        mayProbe: canProbe,
                      };
                      const admission = decideAdmission(view);
                      counts[admission] += 1;
                      expectCapacityHolds(view, admission);
                      if (!isPoll && ahead > 0) expect(admission).toBe('none');
                      if (admission === 'takeover') expect(view.hasFreeDuty).toBe(true);
                      if (admission === 'revoke') expect(view.hasRevocable).toBe(true);
                    }
    expect(Object.values(counts).every((count) => count > 20)).toBe(true);
  });
});

describe('the probe', () => {
  const view = { now: 100, probeAfter: 100, lookMax: 100, endMin: 100 };
  test.each([
    ['at the moment of all three', view, true],
    ['not within the delay', { ...view, probeAfter: 101 }, false],
    ['not while a connect may be in flight', { ...view, lookMax: 101 }, false],
    ['not before one entry must have gone', { ...view, endMin: 101 }, false],
    ['not without any entry', { ...view, endMin: Number.POSITIVE_INFINITY }, false],
  ])('%s', (_, each, expected) => expect(mayProbe(each)).toBe(expected));

  test('the delay doubles from a second to a minute', () => {
    expect([0, 1, 2, 3, 6, 7, 8, 1_000].map(probeDelayMs)).toEqual([
      1_000, 1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });
});

test('pressure: somebody waits, or the next newcomer would have to', () => {
  expect(underPressure(settings, 7, 0)).toBe(false);
  expect(underPressure(settings, 8, 0)).toBe(true);
  expect(underPressure(settings, 0, 1)).toBe(true);
});

describe('renewAfterMs', () => {
  test.each([
    // held, waiters, ms
    [5_000, 0, 3_333],
    [1, 1, 500],
    [500, 1, 500],
    [2_000, 1, 2_000],
    [100_000, 1, 3_333],
  ])('%i held and %i waiting: %i ms', (held, waiters, expected) => {
    expect(renewAfterMs(settings, held, waiters)).toBe(expected);
  });

  test('it bounds the renewals of a fleet a second while somebody waits, as far as the protection allows', () => {
    for (const held of [1, 10, 100, 1_000, 3_000]) {
      const perSecond = (held * 1_000) / renewAfterMs(settings, held, 1);
      expect(perSecond).toBeLessThanOrEqual(LIMITS.renewalsPerSecond);
    }
  });
});

describe('shouldYield', () => {
  const view = { count: 8, waiters: 1, flagged: 0, heldForMs: 200 };
  test.each([
    ['a waiter, and the quantum is over', settings, view, true],
    ['not within the quantum', settings, { ...view, heldForMs: 199 }, false],
    ['not more than waiters', settings, { ...view, flagged: 1 }, false],
    ['not without waiters', settings, { ...view, waiters: 0 }, false],
    [
      'without headroom a full resource will do',
      { ...settings, headroom: 0 },
      { ...view, waiters: 0, count: 10 },
      true,
    ],
    [
      'without headroom there may be room yet',
      { ...settings, headroom: 0 },
      { ...view, waiters: 0, count: 9 },
      false,
    ],
    [
      'without headroom still not within the quantum',
      { ...settings, headroom: 0 },
      { ...view, count: 10, heldForMs: 0 },
      false,
    ],
  ])('%s', (_, each, seen, expected) => expect(shouldYield(each, seen)).toBe(expected));
});
