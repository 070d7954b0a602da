import type { Operation } from '../lib/core/operation.ts';
import { show } from '../lib/core/problem.ts';
import { type Right, wholeNumber } from '../lib/core/right.ts';

/** An operator's own word, for a drill, in an incident, or to resize: `{ "action": "pause", "forMs": 60000 }`. */
export interface OperatorAction {
  readonly action: 'pause' | 'resume' | 'reconnect' | 'drain' | 'resize';
  /** With `pause` only, in ms; 0: until `resume`. Default: as for a failover. */
  readonly forMs?: number;
  /** With `resize` only, in connections, and required there. */
  readonly capacity?: number;
  /** With `resize` only, in connections. Default: a tenth of the capacity, rounded up; 0 for 1. */
  readonly headroom?: number;
}

/** An action that is none, with everything that is wrong with it. */
export class InvalidAction extends Error {
  override readonly name = 'InvalidAction';

  constructor(problems: readonly string[]) {
    super(`The action is not valid:\n${problems.map((text) => `  - ${text}`).join('\n')}`);
  }
}

type Action = OperatorAction['action'];
type Field = Exclude<keyof OperatorAction, 'action'>;

/** Which fields an action has. */
const FIELDS: Readonly<Record<Action, readonly Field[]>> = {
  pause: ['forMs'],
  resume: [],
  reconnect: [],
  drain: [],
  resize: ['capacity', 'headroom'],
};
const CAPACITY_MAX = 100_000;
const RIGHTS = {
  forMs: wholeNumber(0, 86_400_000, 'ms'),
  capacity: wholeNumber(1, CAPACITY_MAX, 'connections'),
  headroom: wholeNumber(0, CAPACITY_MAX / 2, 'connections'),
} as const satisfies Readonly<Record<Field, Right>>;
const NAMES = Object.keys(RIGHTS) as Field[];

export const isAction = (event: unknown): boolean => Object.hasOwn(Object(event), 'action');

/** @throws InvalidAction with every problem at once. */
export const readAction = (event: unknown, pauseMs: number): Operation => {
  const given = event as Readonly<Record<string, unknown>>;
  const problems = [...actionProblems(given['action']), ...fieldProblems(given)];
  if (problems.length > 0) throw new InvalidAction(problems);
  const { action, forMs = pauseMs, capacity = 0, headroom = headroomOf(capacity) } = event as OperatorAction;
  if (action === 'pause') return { kind: action, forMs, atMost: true };
  return action === 'resize' ? { kind: action, capacity, headroom } : { kind: action };
};

/** As for a capacity that is configured. */
const headroomOf = (capacity: number): number => (capacity === 1 ? 0 : Math.ceil(capacity / 10));

const isKnown = (action: unknown): action is Action => Object.hasOwn(FIELDS, String(action));

const actionProblems = (action: unknown): string[] =>
  isKnown(action) ? [] : [`action: ${show(action)} is none; there are ${Object.keys(FIELDS).join(', ')}`];

const fieldProblems = (given: Readonly<Record<string, unknown>>): string[] => {
  const { action, capacity, headroom } = given;
  const fields: readonly string[] = isKnown(action) ? FIELDS[action] : NAMES;
  const names = Object.keys(given).filter((name) => name !== 'action');
  const isTooMuch = RIGHTS.capacity.isRight(capacity) && Number(headroom) > Number(capacity) / 2;
  return [
    ...names
      .filter((name) => !fields.includes(name))
      .map((name) =>
        NAMES.includes(name as Field)
          ? `${name}: ${show(action)} has none`
          : `${show(name)}: no such field; there are ${['action', ...NAMES].join(', ')}`,
      ),
    ...NAMES.filter((name) => given[name] !== undefined && !RIGHTS[name].isRight(given[name])).map(
      (name) => `${name}: ${show(given[name])} is not ${RIGHTS[name].says}`,
    ),
    ...(action === 'resize' && capacity === undefined ? ['capacity: is missing'] : []),
    ...(isTooMuch ? ['headroom: is more than half of capacity'] : []),
  ];
};
