/**
 * A process that loads the orders function as Lambda does, invokes it as often as it is told on its input (one event a line),
 * and writes each answer, or why there is none, on its output.
 */
import { createInterface } from 'node:readline';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { handler } from '../../functions/orders.ts';

const say = (word: string, value: unknown): void =>
  void process.stdout.write(`${JSON.stringify({ word, value })}\n`);

const context = (): Parameters<typeof handler>[1] => {
  const endsAt = performance.now() + 10_000;
  const given: Partial<Parameters<typeof handler>[1]> = {
    functionName: 'orders-api',
    awsRequestId: 'a-request',
    getRemainingTimeInMillis: () => Math.max(0, endsAt - performance.now()),
  };
  return given as Parameters<typeof handler>[1];
};

say('loaded', true);
for await (const line of createInterface(process.stdin)) {
  try {
    say('answer', await handler(JSON.parse(line) as APIGatewayProxyEventV2, context()));
  } catch (error) {
    say('failed', String(error));
  }
}
