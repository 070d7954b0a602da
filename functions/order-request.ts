import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { NewOrder, OrderItem } from './order.ts';

/** What a caller asks for; or everything that is wrong with it, in words for the caller. */
export type Wanted<Value> = { readonly value: Value } | { readonly problem: string };

export interface OrderRequest {
  readonly order: NewOrder;
  /** The caller's own name for this request: sent again with it, it makes no second order. */
  readonly key: string | undefined;
}

const TEXT_MAX = 100;
const ITEMS_MAX = 100;
const QUANTITY_MAX = 10_000;

export const readOrderRequest = (event: APIGatewayProxyEventV2): Wanted<OrderRequest> => {
  const body = bodyOf(event);
  if (body === undefined) return { problem: 'The body is not JSON.' };
  const key = keyOf(event);
  const problems = [...orderProblems(body.value), ...keyProblems(key)];
  if (problems.length > 0) return { problem: `The order is not valid. ${problems.join('; ')}.` };
  const { customer, items } = body.value as NewOrder;
  // Nothing but what is known goes on from here.
  return {
    value: { order: { customer, items: items.map(({ sku, quantity }) => ({ sku, quantity })) }, key },
  };
};

/** May a caller send it again without harm, whatever came of it? */
export const isRepeatable = (event: APIGatewayProxyEventV2): boolean =>
  event.routeKey.startsWith('GET ') || keyOf(event) !== undefined;

/** API Gateway writes the names of headers in lower case. */
const keyOf = ({ headers }: APIGatewayProxyEventV2): string | undefined => headers['idempotency-key'];

const bodyOf = ({ body = '', isBase64Encoded }: APIGatewayProxyEventV2): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(isBase64Encoded ? Buffer.from(body, 'base64').toString() : body) };
  } catch {
    return undefined;
  }
};

const orderProblems = (body: unknown): string[] => {
  const { customer, items } = Object(body) as { readonly customer?: unknown; readonly items?: unknown };
  return [
    ...(isText(customer) ? [] : [`customer: 1 to ${TEXT_MAX} characters`]),
    ...(Array.isArray(items) && items.length >= 1 && items.length <= ITEMS_MAX
      ? items.flatMap(itemProblems)
      : [`items: a list of 1 to ${ITEMS_MAX}`]),
  ];
};

const itemProblems = (item: unknown, at: number): string[] => {
  const { sku, quantity } = Object(item) as Partial<OrderItem>;
  const isQuantity =
    Number.isSafeInteger(quantity) && Number(quantity) >= 1 && Number(quantity) <= QUANTITY_MAX;
  return [
    ...(isText(sku) ? [] : [`items[${at}].sku: 1 to ${TEXT_MAX} characters`]),
    ...(isQuantity ? [] : [`items[${at}].quantity: a whole number from 1 to ${QUANTITY_MAX}`]),
  ];
};

/** PostgreSQL has no text with a NUL in it, and half a character comes back as another one. */
const isText = (value: unknown): boolean =>
  typeof value === 'string' &&
  value.trim() !== '' &&
  value.length <= TEXT_MAX &&
  !value.includes('\0') &&
  !/\p{Surrogate}/u.test(value);

const KEY_PATTERN = /^[\x21-\x7e]{1,100}$/;

const keyProblems = (key: string | undefined): string[] =>
  key === undefined || KEY_PATTERN.test(key)
    ? []
    : [`Idempotency-Key: 1 to ${TEXT_MAX} visible characters of ASCII`];

const ID_PATTERN = /^[1-9]\d{0,17}$/;

export const readOrderId = ({ pathParameters }: APIGatewayProxyEventV2): Wanted<string> => {
  const id = pathParameters?.['id'];
  return id !== undefined && ID_PATTERN.test(id)
    ? { value: id }
    : { problem: 'The id of an order is a positive number.' };
};
