import type { FleetCounts } from '../status-view.ts';
import { element, setText } from './element.ts';
import { KINDS, type Kind, leasesOf, segmentsOf, totalOf } from './segments.ts';
import { counted } from './words.ts';

const WORDS: Readonly<Record<Kind, string>> = {
  protected: 'protected',
  revocable: 'revocable',
  revoking: 'revoking',
  claims: 'kept for a waiter',
  foreign: 'without a lease',
  free: 'free',
  headroom: 'headroom',
};

/** The headline number, the bar under it, and the numbers of its parts. */
export const showCapacity = (counts: FleetCounts): void => {
  const segments = segmentsOf(counts);
  const { capacity, headroom, waiters, claims } = counts;
  setText(element('leases'), String(leasesOf(counts)));
  setText(element('capacity'), String(capacity));
  setText(element('waiters'), String(waiters));
  setText(element('waiters-note'), claims > 0 ? `${claims} of them called` : '');
  const bar = element('bar');
  bar.ariaLabel = `Of ${counted(capacity, 'connection')}: ${KINDS.map((kind) => `${segments[kind]} ${WORDS[kind]}`).join(', ')}`;
  bar.dataset['over'] = counts.debt > 0 ? 'yes' : 'no';
  bar.style.setProperty('--capacity', `${(capacity / totalOf(segments)) * 100}%`);
  for (const kind of KINDS) {
    element(`bar-${kind}`).style.flexGrow = String(segments[kind]);
    const of = kind === 'headroom' ? ` of ${headroom}` : '';
    setText(element(`count-${kind}`), `${segments[kind]}${of}`);
    element(`key-${kind}`).dataset['none'] = segments[kind] === 0 ? 'yes' : 'no';
  }
};
