import { describe, expect, test } from '@jest/globals';
import { FleetWatch } from '../../functions/console/fleet-events.ts';
import type { FleetCounts, FleetView, HolderView, StatusView } from '../../functions/status-view.ts';
import { fleetView, unknownView } from '../support/fleet-view.ts';

/** What a page tells that sees these looks one after the other; what nobody is told about in brackets. */
const said = (...views: readonly StatusView[]): string[] => {
  const watch = new FleetWatch();
  return views
    .flatMap((view) => watch.see(view))
    .map(({ tone, isNotable, text }) => (isNotable ? `${tone}: ${text}` : `(${text})`));
};

const counts = (more: Partial<FleetCounts>): FleetView =>
  fleetView({ counts: { ...fleetView().counts, ...more } });

const group = (name: string, max: number | null = null) => ({
  name,
  min: 0,
  max,
  priority: 0,
  taken: 1,
  waiting: 0,
});

const holders = (names: readonly string[], isCut = false): FleetView => {
  const list = names.map((name): HolderView => {
    const [holder = '', group = ''] = name.split('@');
    return { holder, group, protected: 1, revocable: 0, revoking: [] };
  });
  return fleetView({ holders: { list, leasesListed: list.length, leasesInAll: list.length, isCut } });
};

const sweep = (agoMs: number): FleetView =>
  fleetView({ sweep: { agoMs, isRunning: false, lookedAgoMs: null } });

describe('what happens between two looks', () => {
  test('is nothing at the first look, and nothing while nothing changes', () => {
    expect(said(fleetView())).toEqual([]);
    expect(said(fleetView({ control: 'paused' }), fleetView({ control: 'paused' }))).toEqual([]);
  });

  test.each<[string, readonly StatusView[], readonly string[]]>([
    [
      'an operator pauses, drains, resumes',
      [
        fleetView(),
        fleetView({ control: 'paused' }),
        fleetView(),
        fleetView({ control: 'draining' }),
        fleetView(),
      ],
      [
        'bad: Grants paused by an operator',
        'good: Grants resumed',
        'bad: Draining: idle connections go, nothing is granted',
        'good: Drain ended',
      ],
    ],
    [
      'the breaker goes its round',
      [fleetView(), fleetView({ breaker: 'open' }), fleetView({ breaker: 'half-open' }), fleetView()],
      [
        'bad: Breaker opened: connects have failed for several holders',
        'plain: Breaker half-open: a few connects are tried',
        'good: Breaker closed',
      ],
    ],
    [
      'the registry learns',
      [fleetView(), fleetView({ learningMs: 5_000 }), fleetView({ learningMs: 3_000 }), fleetView()],
      ['bad: Learning began: nothing is granted until a census', 'good: Learning ended'],
    ],
    [
      'the capacity changes',
      [
        counts({ capacity: 20, headroom: 2 }),
        counts({ capacity: 30, headroom: 2 }),
        counts({ capacity: 30, headroom: 3 }),
      ],
      ['plain: Resized: capacity 20 → 30', 'plain: Resized: headroom 2 → 3'],
    ],
    [
      'a debt comes, grows and is paid',
      [counts({}), counts({ debt: 1 }), counts({ debt: 4 }), counts({})],
      ['bad: Debt: 1 connection above the capacity', 'good: Debt paid'],
    ],
    [
      'sessions without a lease come and go',
      [counts({}), counts({ foreign: 2 }), counts({})],
      ['bad: Sessions without a lease: 0 → 2', 'good: Sessions without a lease: 2 → 0'],
    ],
    [
      'leases are revoked, and settled',
      [counts({}), counts({ revoking: 2 }), counts({ revoking: 1 })],
      ['(2 leases more revoking (2 in all))', '(1 revoking lease settled (1 left))'],
    ],
    [
      'the sweeper is late, and comes back',
      [sweep(10_000), sweep(300_001), sweep(400_000), sweep(2_000)],
      ['bad: The sweeper is late', 'good: The sweeper runs'],
    ],
    [
      'a share changes',
      [fleetView({ groups: [group('mail')] }), fleetView({ groups: [group('mail', 4)] })],
      ['plain: Share of mail: minimum 0, maximum 4, priority 0'],
    ],
    [
      'the registry forgets, and knows again',
      [fleetView(), unknownView(), unknownView(), fleetView()],
      ['bad: The registry has forgotten orders', 'good: The registry knows orders now'],
    ],
    [
      'holders go',
      [holders(['a@mail', 'b@mail', 'c@search']), holders(['b@mail', 'c@search']), holders([])],
      ['(Holder a of mail has gone)', '(2 holders have gone (mail 1, search 1))'],
    ],
  ])('%s', (_name, views, expected) => {
    expect(said(...views)).toEqual(expected);
  });

  test('a group is new once, however often it comes back', () => {
    const [some, none] = [fleetView({ groups: [group('mail')] }), fleetView({ groups: [] })];
    expect(said(none, some, none, some)).toEqual(['plain: New group: mail']);
  });

  test('nobody has gone who may only have fallen off a list that is cut', () => {
    expect(said(holders(['a@mail'], true), holders([]))).toEqual([]);
    expect(said(holders(['a@mail']), holders([], true))).toEqual([]);
  });
});
