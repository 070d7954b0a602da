import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import type { Tracer } from '@aws-lambda-powertools/tracer';
import { captureLambdaHandler } from '@aws-lambda-powertools/tracer/middleware';
import middy from '@middy/core';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import type pg from 'pg';
import { type LeaseHandle, leasehold } from '../lib/lambda/middleware.ts';
import { closeOnShutdown } from '../lib/lambda/shutdown.ts';
import { type Answer, answer, problemAnswers } from './answers.ts';
import { findOrder, placeOrder } from './order.ts';
import { readOrderId, readOrderRequest } from './order-request.ts';
import { traced, tracerOf } from './traced.ts';
import { type Wiring, wiring } from './wiring.ts';

/** What this function measures of its own business, with units. */
export const ORDER_METRICS = { OrdersPlaced: 'Count' } as const;

type Database = LeaseHandle<pg.Client>;
type Instruments = Pick<Wiring, 'logger' | 'metrics'> & { readonly tracer: Tracer };

/**
 * POST /orders and GET /orders/{id}, as API Gateway's HTTP API sends them.
 *
 * What comes first wraps the rest: the trace has everything in it, the metrics are written after the pool has added its own,
 * and connections are given back before an error becomes an answer. No body gets into log, metric or trace.
 */
export const ordersHandler = ({ env, pool, logger, metrics }: Wiring, tracer: Tracer = tracerOf(env)) =>
  middy<APIGatewayProxyEventV2, Answer>()
    .use(captureLambdaHandler(tracer, { captureResponse: false }))
    .use(injectLambdaContext(logger, { logEvent: false, resetKeys: true }))
    .use(logMetrics(metrics, { captureColdStartMetric: true }))
    .use(problemAnswers(logger))
    .use(leasehold(pool, { key: 'db', metrics }))
    .handler(async (event, context) => {
      logger.setCorrelationId(event.requestContext.requestId);
      if (event.routeKey === 'POST /orders') return postOrder(context.db, event, { logger, metrics, tracer });
      if (event.routeKey === 'GET /orders/{id}') return getOrder(context.db, event, tracer);
      return answer(404, { message: 'No such route.' });
    });

const postOrder = async (
  db: Database,
  event: APIGatewayProxyEventV2,
  { logger, metrics, tracer }: Instruments,
): Promise<Answer> => {
  // Checked before a connection is asked for.
  const wanted = readOrderRequest(event);
  if ('problem' in wanted) return answer(400, { message: wanted.problem });
  const { order, key } = wanted.value;
  const placed = await traced(tracer, 'place order', () =>
    db.use((client) => placeOrder(client, order, key)),
  );
  if (placed.kind === 'another')
    return answer(422, { message: 'The Idempotency-Key belongs to another order.' });
  const { id } = placed.order;
  if (placed.kind === 'new') metrics.addMetric('OrdersPlaced', ORDER_METRICS.OrdersPlaced, 1);
  logger.info('Placed an order', { orderId: id, isRepeated: placed.kind === 'repeated' });
  tracer.putAnnotation('orderId', id);
  return answer(201, placed.order, { Location: `/orders/${id}` });
};

const getOrder = async (db: Database, event: APIGatewayProxyEventV2, tracer: Tracer): Promise<Answer> => {
  const wanted = readOrderId(event);
  if ('problem' in wanted) return answer(400, { message: wanted.problem });
  const id = wanted.value;
  tracer.putAnnotation('orderId', id);
  const order = await traced(tracer, 'find order', () => db.use((client) => findOrder(client, id)));
  return order === undefined ? answer(404, { message: `There is no order ${id}.` }) : answer(200, order);
};

let made: ReturnType<typeof ordersHandler> | undefined;

/** Made at the first invocation: a wrong configuration is then an answer that names every problem. */
export const handler = async (event: APIGatewayProxyEventV2, context: Context): Promise<Answer> => {
  made ??= ordersHandler(wiring());
  return made(event, context as Parameters<typeof made>[1]);
};

/**
 * Lambda takes an extension, and so sends SIGTERM, only while the module is loaded. A wrong configuration must not end that:
 * nothing is closed then, and the first invocation tells what is wrong.
 */
const closePoolOnShutdown = async (): Promise<void> => {
  try {
    const { env, pool, logger } = wiring();
    const onError = (error: Error): void => logger.warn('No orderly shutdown', error);
    await closeOnShutdown(pool, { env, onError }).registered;
  } catch {
    // The same configuration will say the same.
  }
};

await closePoolOnShutdown();
