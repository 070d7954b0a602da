import { describe, expect, test } from '@jest/globals';
import { DEFAULT_SHARE } from '../../lib/core/lease.ts';
import { LIMITS } from '../../lib/core/limits.ts';
import {
  type Admission,
  type AdmissionView,
  claimsAhead,
  decideAdmission,
  type GroupView,
  mayProbe,
  probeDelayMs,
  renewAfterMs,
  shouldYield,
  type YieldView,
} from '../../lib/core/policy.ts';
import { SETTINGS } from '../support/registry-harness.ts';

/** capacity 10, headroom 2 */
const settings = { ...SETTINGS, capacity: 10, headroom: 2 };
const calm: AdmissionView = {
  settings,
  cap: 10,
  held: 0,
  revoking: 0,
  claims: 0,
  ahead: 0,
  isPoll: false,
  hasClaim: false,
  isWithinShare: true,
  hasFreeDuty: false,
  hasRevocable: false,
  mayProbe: false,
};

/** Law L1: what the decision makes of the count. A takeover and a revocation add one, for their victim still counts. */
const holdsCapacity = (view: AdmissionView, admission: Admission): boolean => {
  const { cap, held, revoking, claims, hasClaim } = view;
  if (admission === 'none') return true;
  if (admission === 'probe') return held === 0;
  const after = held + revoking + 1 + claims - (hasClaim ? 1 : 0);
  return after <= (admission === 'room' && !hasClaim ? cap - view.settings.headroom : cap);
};

describe('the decision to grant', () => {
  test.each<[string, Partial<AdmissionView>, Admission]>([
    ['room in an empty resource', {}, 'room'],
    ['the last place before the headroom', { held: 7 }, 'room'],
    ['no room in the headroom', { held: 8 }, 'none'],
    ['revoking entries take room', { held: 3, revoking: 5 }, 'none'],
    ['claims take room', { held: 3, claims: 5 }, 'none'],
    ['sessions of others take room', { held: 3, cap: 5 }, 'none'],
    ['room before a takeover', { held: 3, revoking: 4, hasFreeDuty: true, hasRevocable: true }, 'room'],
    [
      'a takeover before a revocation',
      { held: 7, revoking: 1, hasFreeDuty: true, hasRevocable: true },
      'takeover',
    ],
    ['a revocation into the headroom', { held: 8, hasRevocable: true }, 'revoke'],
    ['the last place of the headroom', { held: 9, hasRevocable: true }, 'revoke'],
    ['no revocation at the capacity', { held: 10, hasRevocable: true }, 'none'],
    ['no revocation where claims fill the capacity', { held: 8, claims: 2, hasRevocable: true }, 'none'],
    ['no takeover at the capacity', { held: 8, revoking: 2, hasFreeDuty: true }, 'none'],
    ['no room past a ticket for the only place', { held: 7, ahead: 1 }, 'none'],
    ['room past tickets that could all have theirs', { held: 3, ahead: 4 }, 'room'],
    ['but not where one of them could not', { held: 3, ahead: 5 }, 'none'],
    ['no takeover past a ticket', { held: 8, ahead: 1, hasFreeDuty: true }, 'none'],
    ['no revocation past a ticket', { held: 8, ahead: 1, hasRevocable: true }, 'none'],
    ['no probe past a ticket', { revoking: 10, ahead: 1, mayProbe: true }, 'none'],
    ['a poll takes room past tickets', { held: 7, ahead: 10, isPoll: true }, 'room'],
    ['but not past room + capacity of them', { held: 7, ahead: 11, isPoll: true }, 'none'],
    ['and not without room', { held: 8, ahead: 0, isPoll: true }, 'none'],
    [
      'a poll revokes past as many as have a place below the capacity',
      { held: 8, ahead: 1, isPoll: true, hasRevocable: true },
      'revoke',
    ],
    ['and past no more', { held: 8, ahead: 2, isPoll: true, hasRevocable: true }, 'none'],
    ['a newcomer revokes only as the best', { held: 8, ahead: 1, hasRevocable: true }, 'none'],
    ['the best poll revokes', { held: 8, ahead: 0, isPoll: true, hasRevocable: true }, 'revoke'],
    ['a claim is its room, past any ticket', { held: 7, claims: 1, hasClaim: true, ahead: 99 }, 'room'],
    [
      'a claim is its room beside an overlap that came later',
      { held: 8, revoking: 1, claims: 1, hasClaim: true },
      'room',
    ],
    [
      'a claim is no room beyond the capacity',
      { held: 8, revoking: 2, claims: 1, hasClaim: true, isPoll: true },
      'none',
    ],
    [
      'a claim is no room where the capacity has shrunk',
      { held: 4, cap: 4, claims: 1, hasClaim: true },
      'none',
    ],
    ['no room beyond the maximum', { isWithinShare: false }, 'none'],
    ['no takeover beyond the maximum', { held: 8, hasFreeDuty: true, isWithinShare: false }, 'none'],
    ['no probe beyond the maximum', { revoking: 10, mayProbe: true, isWithinShare: false }, 'none'],
    [
      'a revocation at the maximum, where there is a lease that may be revoked for it',
      { held: 8, hasFreeDuty: true, hasRevocable: true, isWithinShare: false },
      'revoke',
    ],
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
    expect(holdsCapacity(whole, expected)).toBe(true);
  });

  test('L1 the capacity holds after every decision over every small view', () => {
    const counts: Record<Admission, number> = { room: 0, takeover: 0, revoke: 0, probe: 0, none: 0 };
    const broken: AdmissionView[] = [];
    const judge = (view: AdmissionView): void => {
      const { ahead, isPoll, hasClaim, isWithinShare } = view;
      const admission = decideAdmission(view);
      counts[admission] += 1;
      const room = view.cap - view.settings.headroom - view.held - view.revoking - view.claims;
      const isBarging = !isPoll && ahead >= Math.max(1, room) && admission !== 'none';
      const places = view.cap - view.held - view.revoking - view.claims;
      const isOverlap = admission === 'takeover' || admission === 'revoke';
      const isPassing = isOverlap ? ahead >= (isPoll ? places : 1) : admission === 'probe' && ahead > 0;
      const isBeyond = !isWithinShare && !hasClaim && admission !== 'revoke' && admission !== 'none';
      const isForNothing =
        (admission === 'takeover' && !view.hasFreeDuty) || (admission === 'revoke' && !view.hasRevocable);
      const isFine = holdsCapacity(view, admission) && !(isBarging || isPassing || isBeyond || isForNothing);
      if (!isFine) broken.push(view);
    };
    for (const capacity of [1, 2, 4])
      for (const foreign of [0, 1])
        for (let headroom = 0; headroom <= capacity / 2; headroom++)
          for (let held = 0; held <= capacity + 1; held++)
            for (let revoking = 0; held + revoking <= capacity + 2; revoking++)
              for (const claims of [0, 1, 2])
                for (const ahead of [0, 1, capacity, capacity + 1, 3 * capacity])
                  for (let bits = 0; bits < 64; bits++) {
                    const is = (bit: number): boolean => (bits & (1 << bit)) > 0;
                    judge({
                      settings: { ...settings, capacity, headroom },
                      cap: capacity - foreign,
                      held,
                      revoking,
                      claims,
                      ahead,
                      isPoll: is(0),
                      hasClaim: is(0) && is(1) && claims > 0,
                      isWithinShare: is(2),
                      hasFreeDuty: is(3) && revoking > 0,
                      hasRevocable: is(4) && held > 0,
                      mayProbe: is(5),
                    });
                  }
    expect(broken).toEqual([]);
    expect(Object.values(counts).every((count) => count > 20)).toBe(true);
  });
});

describe('L9, L10 tickets with a better claim', () => {
  const none: GroupView = { ...DEFAULT_SHARE, taken: 0, waiting: 0, older: 0 };
  /** Three of its five tickets are older than the caller, two are below its minimum. */
  const other: GroupView = { ...none, min: 4, max: 6, taken: 2, waiting: 5, older: 3 };
  const calmOther: GroupView = { ...other, min: 0 };
  const urgent: GroupView = { ...none, min: 1 };

  test.each<[string, GroupView, GroupView, number]>([
    ['the older ones of the own group', { ...none, waiting: 4, older: 2 }, none, 2],
    ['of a like group the older ones', none, calmOther, 3],
    ['of a like group those below its minimum first, however young', none, { ...other, older: 1 }, 2],
    ['of a like group not those beyond its maximum', none, { ...calmOther, max: 4 }, 2],
    ['of a higher group all that may be served', none, { ...calmOther, priority: 1 }, 4],
    ['of a lower group those below its minimum', none, { ...other, priority: -1 }, 2],
    ['of a lower group else none', none, { ...calmOther, priority: -1 }, 0],
    ['below the own minimum: of a like group the older of those below theirs', urgent, other, 2],
    ['below the own minimum: of a like group none that is younger', urgent, { ...other, older: 0 }, 0],
    ['below the own minimum: of a like group none above its own', urgent, calmOther, 0],
    ['below the own minimum: of a higher group those below theirs', urgent, { ...other, priority: 1 }, 2],
    ['below the own minimum: of a higher group none else', urgent, { ...calmOther, priority: 1 }, 0],
    ['below the own minimum: of a lower group none', urgent, { ...other, priority: -1 }, 0],
    [
      'not below the own minimum where older ones of the own group reach it',
      { ...urgent, waiting: 1, older: 1 },
      calmOther,
      1 + 3,
    ],
    ['not below the own minimum where leases reach it', { ...urgent, taken: 1 }, calmOther, 3],
  ])('%s', (_, own, another, expected) => {
    expect(claimsAhead(own, [another])).toBe(expected);
    expect(claimsAhead(own, [none, another, none])).toBe(expected);
  });

  test('they add up over all groups', () => {
    expect(claimsAhead({ ...none, older: 2 }, [calmOther, { ...calmOther, priority: 1 }])).toBe(2 + 3 + 4);
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
  const group: YieldView['group'] = { ...DEFAULT_SHARE, taken: 8, waiting: 1, flagged: 0 };
  const view: YieldView = {
    cap: 10,
    count: 8,
    room: 0,
    eligible: 1,
    flagged: 0,
    heldForMs: 200,
    isDraining: false,
    isStale: false,
    group,
  };
  const young = { heldForMs: 0, eligible: 0 };
  const noHeadroom = { ...settings, headroom: 0 };
  test.each<[string, typeof settings, Partial<YieldView>, boolean]>([
    ['a waiter without room, and the quantum is over', settings, {}, true],
    ['not within the quantum', settings, { heldForMs: 199 }, false],
    ['not more than waiters', settings, { flagged: 1 }, false],
    ['not without waiters that may be served', settings, { eligible: 0 }, false],
    ['not where the waiters have room', settings, { room: 1 }, false],
    ['for those beyond the room', settings, { room: 1, eligible: 2 }, true],
    [
      'not of a group at its minimum, for others',
      settings,
      { group: { ...group, min: 8, waiting: 0 } },
      false,
    ],
    ['of a group at its minimum for its own', settings, { group: { ...group, min: 8 } }, true],
    ['of a group above its minimum', settings, { group: { ...group, min: 7, waiting: 0 } }, true],
    ['of a group at its maximum for its own', settings, { eligible: 0, group: { ...group, max: 8 } }, true],
    [
      'no more of a group at its maximum than its own tickets',
      settings,
      { eligible: 0, group: { ...group, max: 8, flagged: 1 } },
      false,
    ],
    ['in a debt, also within the quantum', settings, { ...young, count: 11 }, true],
    ['no more than the debt', settings, { ...young, count: 11, flagged: 1 }, false],
    ['the debt, and the waiters beside it', settings, { room: -3, count: 11, flagged: 1 }, true],
    ['no more than both', settings, { room: -3, count: 11, flagged: 2 }, false],
    ['in a drain, also within the quantum', settings, { ...young, isDraining: true, flagged: 99 }, true],
    ['after a reconnect, also within the quantum', settings, { ...young, isStale: true, flagged: 1 }, true],
    ['after a reconnect a headroom at a time', settings, { ...young, isStale: true, flagged: 2 }, false],
    ['after a reconnect one at least', noHeadroom, { ...young, isStale: true }, true],
    [
      'after a reconnect without headroom only one',
      noHeadroom,
      { ...young, isStale: true, flagged: 1 },
      false,
    ],
    ['without headroom a full resource will do', noHeadroom, { eligible: 0, count: 10 }, true],
    ['without headroom there may be room yet', noHeadroom, { eligible: 0, count: 9 }, false],
    ['without headroom still not within the quantum', noHeadroom, { ...young, count: 10 }, false],
  ])('%s', (_, each, seen, expected) => expect(shouldYield(each, { ...view, ...seen })).toBe(expected));
});
