import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import type pg from 'pg';
import { type LeaseHandle, leasehold } from '../lib/lambda/middleware.ts';
import { problemAnswers } from './answers.ts';
import { BadRequest, findOrder, insertOrder, parseNewOrder, parseOrderId } from './order.ts';
import { type Wiring, wiring } from './wiring.ts';

type Answer = APIGatewayProxyStructuredResultV2;
type Database = LeaseHandle<pg.Client>;

/** POST /orders and GET /orders/{id}, as API Gateway's HTTP API sends them. */
export const ordersHandler = ({ pool, metrics, logger }: Wiring) =>
  middy<APIGatewayProxyEventV2, Answer>()
    .use(logMetrics(metrics))
    .use(problemAnswers(logger))
    .use(leasehold(pool, { key: 'db', metrics }))
    .handler(async (event, context) => {
      if (event.routeKey === 'POST /orders') return postOrder(context.db, event);
      if (event.routeKey === 'GET /orders/{id}') return getOrder(context.db, event);
      return answer(404, { message: 'No such route.' });
    });

const postOrder = async (db: Database, event: APIGatewayProxyEventV2): Promise<Answer> => {
  // Checked before a connection is asked for.
  const wanted = parseNewOrder(bodyOf(event));
  const order = await db.use((client) => insertOrder(client, wanted));
  return answer(201, order, { Location: `/orders/${order.id}` });
};

const getOrder = async (db: Database, event: APIGatewayProxyEventV2): Promise<Answer> => {
  const id = parseOrderId(event.pathParameters?.['id']);
  const order = await db.use((client) => findOrder(client, id));
  return order === undefined ? answer(404, { message: `There is no order ${id}.` }) : answer(200, order);
};

const bodyOf = ({ body = '', isBase64Encoded }: APIGatewayProxyEventV2): unknown => {
  try {
    return JSON.parse(isBase64Encoded ? Buffer.from(body, 'base64').toString() : body);
  } catch {
    throw new BadRequest('The body is not JSON.');
  }
};

const answer = (
  statusCode: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer => ({
  statusCode,
  headers: { 'Content-Type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

let made: ReturnType<typeof ordersHandler> | undefined;

/** Made at the first invocation: a wrong configuration is then an answer that names every problem. */
export const handler = async (event: APIGatewayProxyEventV2, context: Context): Promise<Answer> => {
  made ??= ordersHandler(wiring());
  return made(event, context as Parameters<typeof made>[1]);
};
