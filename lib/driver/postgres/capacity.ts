import { labelPrefix } from '../../core/label.ts';
import type { DatabaseCapacity } from '../driver.ts';
import { rawText, rowsOf } from './session.ts';

/**
 * What the server, the role and the database allow, and who else is there; one look at one list. Of other roles' sessions the
 * kind is hidden: what has no database is no client (a launcher, or a replica, which has slots of its own). `prefix`: the labels of the
 * sessions that are ours; empty: none is.
 */
export const capacityStatement = (prefix: string, role?: string) => ({
  text: `WITH other AS MATERIALIZED (
      SELECT usename, datname FROM pg_catalog.pg_stat_activity
      WHERE datname IS NOT NULL AND usename IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
        AND pid <> pg_backend_pid()
        AND ($1 = '' OR left(coalesce(application_name, ''), length($1)) <> $1)
    ), leased AS (SELECT coalesce($2::name, session_user) AS role)
    SELECT current_setting('max_connections') AS max,
      current_setting('superuser_reserved_connections') AS superuser,
      current_setting('reserved_connections', true) AS reserved,
      current_setting('rds.rds_reserved_connections', true) AS platform,
      (SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = leased.role) AS of_role,
      (SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname = current_database()) AS of_database,
      (SELECT count(*) FROM other) AS others_on_server,
      (SELECT count(*) FROM other WHERE usename = leased.role) AS others_of_role,
      (SELECT count(*) FROM other WHERE datname = current_database()) AS others_in_database
    FROM leased`,
  values: [prefix, role],
  types: rawText,
});

type CapacityRow = Readonly<
  Record<
    | 'max'
    | 'superuser'
    | 'reserved'
    | 'platform'
    | 'of_role'
    | 'of_database'
    | 'others_on_server'
    | 'others_of_role'
    | 'others_in_database',
    string | null
  >
>;

export const readCapacityRow = (result: unknown): DatabaseCapacity => {
  const [row] = rowsOf<CapacityRow>(result);
  if (row === undefined) throw new Error('PostgreSQL did not say how many connections it takes.');
  const others = {
    server: Number(row.others_on_server),
    database: Number(row.others_in_database),
    role: Number(row.others_of_role),
  };
  const reserved = {
    superuser: Number(row.superuser),
    reserved: Number(row.reserved ?? 0),
    platform: Number(row.platform ?? 0),
  };
  const maxConnections = Number(row.max);
  const forAll = maxConnections - reserved.superuser - reserved.reserved - reserved.platform;
  const [roleLimit, databaseLimit] = [limitOf(row.of_role), limitOf(row.of_database)];
  const bounds = [
    { limitedBy: 'server', usable: forAll - others.server },
    { limitedBy: 'role', usable: (roleLimit ?? Number.POSITIVE_INFINITY) - others.role },
    { limitedBy: 'database', usable: (databaseLimit ?? Number.POSITIVE_INFINITY) - others.database },
  ] as const;
  const [tightest] = bounds.toSorted((one, two) => one.usable - two.usable);
  const { limitedBy, usable } = tightest ?? bounds[0];
  return {
    maxConnections,
    reserved,
    roleLimit,
    databaseLimit,
    others,
    limitedBy,
    usable: Math.max(0, usable),
  };
};

/** -1 is none. */
const limitOf = (text: string | null): number | undefined => {
  const limit = Number(text ?? -1);
  return limit < 0 ? undefined : limit;
};

/** What is used of a client of `pg`. */
interface AskedClient {
  query(statement: ReturnType<typeof capacityStatement>): Promise<unknown>;
}

export interface ReadCapacityOptions {
  /** Whose leases' sessions are not somebody else's: the resource, and the registry's `namespace`. Default: every session is. */
  readonly ours?: { readonly resource: string; readonly namespace: string };
  /** The role that is to be leased. Default: the client's. */
  readonly role?: string;
}

/**
 * Reads how many connections this database has for the fleet at this moment: `max_connections` less every reservation and
 * every session of others, at most what role and database are limited to. One statement; no right is needed. `client`: any
 * client of `pg`, outside of a transaction, where the session list would be an old one.
 *
 * A role that may use `reserved_connections` has more than is said.
 */
export const readCapacity = async (
  client: AskedClient,
  { ours, role }: ReadCapacityOptions = {},
): Promise<DatabaseCapacity> => {
  const prefix = ours === undefined ? '' : labelPrefix(ours.resource, ours.namespace);
  return readCapacityRow(await client.query(capacityStatement(prefix, role)));
};
