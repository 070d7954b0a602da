import type pg from 'pg';

export interface OrderItem {
  readonly sku: string;
  readonly quantity: number;
}

export interface NewOrder {
  readonly customer: string;
  readonly items: readonly OrderItem[];
}

export interface Order extends NewOrder {
  readonly id: string;
  readonly createdAt: string;
}

/** What the caller sent cannot be used; the message is meant for the caller. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

const TEXT_MAX = 100;
const ITEMS_MAX = 100;
const QUANTITY_MAX = 10_000;

/** Every problem of a body at once. */
export const parseNewOrder = (body: unknown): NewOrder => {
  const { customer, items } = Object(body) as { readonly customer?: unknown; readonly items?: unknown };
  const problems = [
    ...(isText(customer) ? [] : [`customer: 1 to ${TEXT_MAX} characters`]),
    ...(Array.isArray(items) && items.length >= 1 && items.length <= ITEMS_MAX
      ? items.flatMap(itemProblems)
      : [`items: a list of 1 to ${ITEMS_MAX}`]),
  ];
  if (problems.length > 0) throw new BadRequest(`The order is not valid. ${problems.join('; ')}.`);
  const plain = (items as readonly OrderItem[]).map(({ sku, quantity }) => ({ sku, quantity }));
  return { customer: customer as string, items: plain };
};

const itemProblems = (item: unknown, at: number): string[] => {
  const { sku, quantity } = Object(item) as { readonly sku?: unknown; readonly quantity?: unknown };
  const isQuantity =
    Number.isSafeInteger(quantity) && Number(quantity) >= 1 && Number(quantity) <= QUANTITY_MAX;
  return [
    ...(isText(sku) ? [] : [`items[${at}].sku: 1 to ${TEXT_MAX} characters`]),
    ...(isQuantity ? [] : [`items[${at}].quantity: a whole number from 1 to ${QUANTITY_MAX}`]),
  ];
};

// PostgreSQL has no text with a NUL in it.
const isText = (value: unknown): boolean =>
  typeof value === 'string' && value.trim() !== '' && value.length <= TEXT_MAX && !value.includes('\0');

const ID_PATTERN = /^[1-9]\d{0,17}$/;

export const parseOrderId = (id: string | undefined): string => {
  if (id === undefined || !ID_PATTERN.test(id))
    throw new BadRequest('The id of an order is a positive number.');
  return id;
};

/** One transaction; the pool rolls back what an error leaves open. */
export const insertOrder = async (client: pg.Client, { customer, items }: NewOrder): Promise<Order> => {
  await client.query('BEGIN');
  const inserted = await client.query<{ id: string; created_at: Date }>(
    'INSERT INTO orders (customer) VALUES ($1) RETURNING id::text, created_at',
    [customer],
  );
  const [order] = inserted.rows;
  if (order === undefined) throw new Error('INSERT returned no row.');
  await client.query(
    `INSERT INTO order_items (order_id, position, sku, quantity)
     SELECT $1, i.position, i.sku, i.quantity
     FROM unnest($2::text[], $3::int[]) WITH ORDINALITY AS i (sku, quantity, position)`,
    [order.id, items.map(({ sku }) => sku), items.map(({ quantity }) => quantity)],
  );
  await client.query('COMMIT');
  return { id: order.id, createdAt: order.created_at.toISOString(), customer, items };
};

export const findOrder = async (client: pg.Client, id: string): Promise<Order | undefined> => {
  const found = await client.query<{ id: string; created_at: Date; customer: string; items: OrderItem[] }>(
    `SELECT o.id::text, o.created_at, o.customer,
       json_agg(json_build_object('sku', i.sku, 'quantity', i.quantity) ORDER BY i.position) AS items
     FROM orders AS o JOIN order_items AS i ON i.order_id = o.id
     WHERE o.id = $1 GROUP BY o.id`,
    [id],
  );
  const [row] = found.rows;
  if (row === undefined) return undefined;
  return { id: row.id, createdAt: row.created_at.toISOString(), customer: row.customer, items: row.items };
};
