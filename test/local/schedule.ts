import { randomUUID } from 'node:crypto';
import type { ScheduledEvent } from 'aws-lambda';
import type { LambdaFunction } from './lambda-function.ts';
import type { Listen } from './local-event.ts';
import type { Outcome } from './outcome.ts';

/** EventBridge's part: invokes one function asynchronously, every so often, whether the last run is over or not. */
export class Schedule {
  readonly #timer: NodeJS.Timeout;

  constructor(target: LambdaFunction, everyMs: number, listen: Listen) {
    this.#timer = setInterval(async () => {
      const outcome = await target.invokeAsync(scheduledEvent());
      listen({ kind: 'scheduled', functionName: target.key, result: resultOf(outcome) });
    }, everyMs);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

const resultOf = (outcome: Outcome): string => {
  if (outcome.kind === 'answered') return outcome.payload;
  return outcome.kind === 'throttled'
    ? 'throttled'
    : `${outcome.error.errorType}: ${outcome.error.errorMessage}`;
};

const scheduledEvent = (): ScheduledEvent => ({
  version: '0',
  id: randomUUID(),
  'detail-type': 'Scheduled Event',
  source: 'aws.events',
  account: '0'.repeat(12),
  time: new Date().toISOString(),
  region: 'eu-central-1',
  resources: ['arn:aws:events:eu-central-1:000000000000:rule/local'],
  detail: {},
});
