import { isDeepStrictEqual } from 'node:util';
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

/** What came of an order: it was made now, or by an earlier request of the same key; or that one had asked for another. */
export type Placed =
  | { readonly kind: 'new' | 'repeated'; readonly order: Order }
  | { readonly kind: 'another' };

/** One transaction; the pool rolls back what an error leaves open. */
export const placeOrder = async (
  client: pg.Client,
  { customer, items }: NewOrder,
  key: string | undefined,
): Promise<Placed> => {
  await client.query('BEGIN');
  // Waits for a request of the same key that is still under way.
  const inserted = await client.query<{ id: string; created_at: Date }>(
    `INSERT INTO orders (customer, idempotency_key) VALUES ($1, $2)
     ON CONFLICT (idempotency_key) DO NOTHING
     RETURNING id::text, created_at`,
    [customer, key],
  );
  const [made] = inserted.rows;
  if (made === undefined) return earlierOrder(client, { customer, items }, key);
  await client.query(
    `INSERT INTO order_items (order_id, position, sku, quantity)
     SELECT $1, i.position, i.sku, i.quantity
     FROM unnest($2::text[], $3::int[]) WITH ORDINALITY AS i (sku, quantity, position)`,
    [made.id, items.map(({ sku }) => sku), items.map(({ quantity }) => quantity)],
  );
  await client.query('COMMIT');
  return { kind: 'new', order: { id: made.id, createdAt: made.created_at.toISOString(), customer, items } };
};

const earlierOrder = async (
  client: pg.Client,
  wanted: NewOrder,
  key: string | undefined,
): Promise<Placed> => {
  const order = await findOne(client, 'o.idempotency_key = $1', key);
  await client.query('COMMIT');
  // Deleted in between: the key is free again, and a later try will do.
  if (order === undefined) throw new Error('The order of this key is gone.');
  const { customer, items } = order;
  return isDeepStrictEqual({ customer, items }, wanted) ? { kind: 'repeated', order } : { kind: 'another' };
};

export const findOrder = (client: pg.Client, id: string): Promise<Order | undefined> =>
  findOne(client, 'o.id = $1', id);

const findOne = async (
  client: pg.Client,
  condition: 'o.id = $1' | 'o.idempotency_key = $1',
  value: string | undefined,
): Promise<Order | undefined> => {
  const found = await client.query<{ id: string; created_at: Date; customer: string; items: OrderItem[] }>(
    `SELECT o.id::text, o.created_at, o.customer,
       json_agg(json_build_object('sku', i.sku, 'quantity', i.quantity) ORDER BY i.position) AS items
     FROM orders AS o JOIN order_items AS i ON i.order_id = o.id
     WHERE ${condition} GROUP BY o.id`,
    [value],
  );
  const [row] = found.rows;
  if (row === undefined) return undefined;
  return { id: row.id, createdAt: row.created_at.toISOString(), customer: row.customer, items: row.items };
};
