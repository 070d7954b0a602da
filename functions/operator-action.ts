import type { Operation } from '../lib/core/operation.ts';
import { show } from '../lib/core/problem.ts';
import { wholeNumber } from '../lib/core/right.ts';

/** An operator's own word, for a drill or in an incident: `{ "action": "pause", "forMs": 60000 }`. */
export interface OperatorAction {
  readonly action: 'pause' | 'resume' | 'reconnect' | 'drain';
  /** With `pause` only, in ms; 0: until `resume`. Default: as for a failover. */
  readonly forMs?: number;
}

/** An action that is none, with everything that is wrong with it. */
export class InvalidAction extends Error {
  override readonly name = 'InvalidAction';

  constructor(problems: readonly string[]) {
    super(`The action is not valid:\n${problems.map((text) => `  - ${text}`).join('\n')}`);
  }
}

const ACTIONS = ['pause', 'resume', 'reconnect', 'drain'];
const FIELDS = ['action', 'forMs'];
const DURATION = wholeNumber(0, 86_400_000, 'ms');

export const isAction = (event: unknown): boolean => Object.hasOwn(Object(event), 'action');

/** @throws InvalidAction with every problem at once. */
export const readAction = (event: unknown, pauseMs: number): Operation => {
  const { action, forMs = pauseMs } = event as Readonly<Record<string, unknown>>;
  const problems = [...actionProblems(action), ...fieldProblems(event as object, action)];
  if (!DURATION.isRight(forMs)) problems.push(`forMs: ${show(forMs)} is not ${DURATION.says}`);
  if (problems.length > 0) throw new InvalidAction(problems);
  const kind = action as OperatorAction['action'];
  return kind === 'pause' ? { kind, forMs: forMs as number, atMost: true } : { kind };
};

const actionProblems = (action: unknown): string[] =>
  ACTIONS.includes(action as string)
    ? []
    : [`action: ${show(action)} is none; there are ${ACTIONS.join(', ')}`];

const fieldProblems = (event: object, action: unknown): string[] => [
  ...Object.keys(event)
    .filter((name) => !FIELDS.includes(name))
    .map((name) => `${show(name)}: no such field; there are ${FIELDS.join(', ')}`),
  ...(Object.hasOwn(event, 'forMs') && action !== 'pause' ? ['forMs: only a pause has one'] : []),
];
