import type pg from 'pg';
import { type Clock, type Instant, systemClock } from '../core/clock.ts';
import type { OnClosed } from '../pool/closer.ts';
import type { Lent } from '../pool/lent.ts';
import { Pool } from '../pool/pool.ts';
import { Callers } from './callers.ts';
import type { PgEvents } from './pg-events.ts';
import type { ParsedPgPool } from './pg-pool-config.ts';

/** The hooks of `pg.Pool`'s options. */
export interface PgHooks {
  readonly onConnect?: (client: pg.PoolClient) => unknown;
  readonly verify?: (client: pg.PoolClient, done: (error?: Error) => void) => void;
}

/** A client in a caller's hands. */
interface CheckOut {
  readonly lent: Lent<pg.Client>;
  isReleased: boolean;
}

/** What is over by the lease's own rules: revoked or ended by the fleet, or idle for longer than its session may be. */
const ENDED_BY_ADMINISTRATOR = '57P01';
const IDLE_SESSION_ENDED = '57P05';

/** Lends the clients of a leased pool in the manner of `pg.Pool`: with its hooks, its events and its `release`. */
export class PgLending {
  readonly leases: Pool<pg.Client>;
  readonly #callers: Callers<pg.Client>;
  readonly #clock: Clock;
  readonly #hooks: PgHooks;
  readonly #events: PgEvents;
  /** Told of with 'connect', and since when. */
  readonly #known = new WeakMap<pg.Client, Instant>();
  readonly #out = new Map<pg.Client, CheckOut>();
  /** Came back over: its last borrower has heard why. */
  readonly #spent = new WeakSet<pg.Client>();

  constructor(parsed: ParsedPgPool, hooks: PgHooks, events: PgEvents) {
    this.#clock = parsed.options.clock ?? systemClock;
    this.#hooks = hooks;
    this.#events = events;
    this.leases = new Pool(parsed.options, (...closed) => this.#onClosed(...closed));
    this.#callers = new Callers(this.leases, parsed);
  }

  get idleCount(): number {
    return this.leases.status().idle;
  }

  /** Those on their way count, those that are being closed do not. */
  get totalCount(): number {
    const { idle, lent, busy, opening } = this.leases.status();
    return idle + lent + busy + opening;
  }

  /** Callers for whom nothing is on its way. */
  get waitingCount(): number {
    const { waiting, busy, opening } = this.leases.status();
    return Math.max(0, waiting - busy - opening);
  }

  /** Lent at the moment, and to be closed for their age when they come back. */
  get expiredCount(): number {
    const { maxLifetimeMs } = this.leases.config;
    if (maxLifetimeMs === 0) return 0;
    const isExpired = (since: Instant | undefined): boolean =>
      since !== undefined && this.#clock.elapsedMs(since) >= maxLifetimeMs;
    return [...this.#out.keys()].filter((client) => isExpired(this.#known.get(client))).length;
  }

  /** Rejects with the pool's errors, or with what a hook has thrown. */
  checkOut(): Promise<pg.PoolClient> {
    return this.#callers.serve((lent) => this.#handOut(lent));
  }

  /** Ends `client`'s time with its borrower. An error with which it is over closes it; one of its statements does not. */
  giveBack(client: pg.PoolClient, error?: unknown): void {
    this.#release(client, error, false);
  }

  end(): Promise<void> {
    return this.#callers.end();
  }

  async #handOut(lent: Lent<pg.Client>): Promise<pg.PoolClient> {
    const client = lent.connection as pg.PoolClient;
    const isNew = !this.#known.has(client);
    if (isNew) await this.#welcome(client, lent);
    this.#out.set(client, { lent, isReleased: false });
    this.#events.tell('acquire', client);
    client.release = this.#releaseOnce(client);
    if (isNew) await this.#verify(client);
    return client;
  }

  async #welcome(client: pg.PoolClient, lent: Lent<pg.Client>): Promise<void> {
    this.#events.log('new client connected');
    try {
      await this.#hooks.onConnect?.(client);
    } catch (error) {
      lent.discard().catch(ignore);
      throw error;
    }
    this.#known.set(client, this.#clock.read());
    this.#events.tell('connect', client);
  }

  async #verify(client: pg.PoolClient): Promise<void> {
    const { verify } = this.#hooks;
    if (verify === undefined) return;
    try {
      await new Promise<void>((resolve, reject) => {
        verify(client, (error) => (error ? reject(error) : resolve()));
      });
    } catch (error) {
      this.#release(client, error, true);
      throw error;
    }
  }

  /** Throws at once when called again, as callers of `pg.Pool` know it. */
  #releaseOnce(client: pg.PoolClient): (error?: Error | boolean) => void {
    const checkOut = this.#out.get(client);
    return (error) => {
      if (checkOut === undefined || checkOut.isReleased)
        throw new Error('Release called on client which has already been released to the pool.');
      this.#release(client, error, Boolean(error), checkOut);
    };
  }

  /** One that was taken back at the end of its invocation is late, and that is all. */
  #release(
    client: pg.PoolClient,
    error: unknown,
    isUnwanted: boolean,
    checkOut = this.#out.get(client),
  ): void {
    if (checkOut === undefined || checkOut.isReleased) return;
    checkOut.isReleased = true;
    this.#out.delete(client);
    if (isOver(client, error)) this.#spent.add(client);
    this.#events.tell('release', error, client);
    const { lent } = checkOut;
    (isUnwanted || isEnding(client) ? lent.discard() : lent.giveBack()).catch(ignore);
  }

  readonly #onClosed: OnClosed<pg.Client> = (client, reason, error, wasProtected) => {
    const wasIdle = !this.#out.delete(client) && !this.#spent.has(client);
    if (!this.#known.has(client)) return;
    this.#events.log(`remove client (${reason})`);
    if (reason === 'broken' && wasIdle && !isEndOfLease(error, wasProtected))
      this.#events.fail(client, error);
    this.#events.tell('remove', client);
  };
}

/** Its borrower has called `end` on it. */
const isEnding = (client: pg.Client): boolean => Reflect.get(client, '_ending') === true;

/** What `pg.Pool` looks at; the server's last word may come before the end of the socket. */
const isOver = (client: pg.Client, error: unknown): boolean =>
  Reflect.get(client, '_queryable') === false ||
  /^(FATAL|PANIC)$/.test(String(Reflect.get(Object(error), 'severity')));

/** Only what is unprotected is ever ended for somebody else, by a role that may; and every lease's session ends when unused. */
const isEndOfLease = (error: Error | undefined, wasProtected: boolean): boolean => {
  const code: unknown = Reflect.get(Object(error), 'code');
  return code === IDLE_SESSION_ENDED || (code === ENDED_BY_ADMINISTRATOR && !wasProtected);
};

const ignore = (): void => undefined;
