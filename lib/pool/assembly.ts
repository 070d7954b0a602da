import { CoarseClock } from '../core/clock.ts';
import type { Driver } from '../driver/driver.ts';
import { Background } from './background.ts';
import { Chores } from './chores.ts';
import { Closer, type OnClosed } from './closer.ts';
import { Farewells } from './farewells.ts';
import { Fitness } from './fitness.ts';
import { Gate } from './gate.ts';
import type { Holder } from './holder.ts';
import type { LeasedConnection } from './leased-connection.ts';
import { Minimum } from './minimum.ts';
import { Renewer } from './renewer.ts';
import { Roster } from './roster.ts';
import { closeStep } from './steps.ts';
import { Supply } from './supply.ts';
import { Upkeep } from './upkeep.ts';
import { Waiters } from './waiters.ts';
import { Wakes } from './wakes.ts';

/** The parts of one pool, which know each other by what they need of each other. */
export interface Assembly<Connection> {
  readonly holder: Holder;
  /** For what happens at every use. */
  readonly coarse: CoarseClock;
  readonly roster: Roster<Connection>;
  readonly waiters: Waiters<LeasedConnection<Connection>>;
  readonly background: Background;
  readonly closer: Closer<Connection>;
  readonly chores: Chores;
  readonly renewer: Renewer<Connection>;
  readonly fitness: Fitness;
  readonly minimum: Minimum;
  readonly supply: Supply<Connection>;
  readonly upkeep: Upkeep<Connection>;
  /** No timer of any part runs any more. */
  stop(): void;
}

export interface AssemblyOptions<Connection> {
  /** The process is frozen between its invocations. */
  readonly isFrozenBetween: boolean;
  readonly onClosed?: OnClosed<Connection> | undefined;
}

/** What the parts ask for. */
export interface Asks<Connection> {
  /** Something may be had, or is wanted. */
  serve(): void;
  /** A connection that nobody has: fit to be lent, or to be found unfit. */
  ready(connection: LeasedConnection<Connection>): void;
  /** A duty or a census can be done now. */
  doChores(): void;
  keepMinimum(): void;
}

/** Connections that were opened with replaced credentials work on: there is time to replace them, in ms. */
const RENEW_OVER_MS = 60_000;

export const assemble = <Connection>(
  holder: Holder,
  driver: Driver<Connection>,
  { isFrozenBetween, onClosed }: AssemblyOptions<Connection>,
  { serve, ready, doChores, keepMinimum }: Asks<Connection>,
): Assembly<Connection> => {
  const { config, clock, events } = holder;
  const background = new Background(clock, (error) =>
    events.emit('registryFailed', { operation: 'background', error }),
  );
  const roster = new Roster<Connection>();
  const waiters = new Waiters<LeasedConnection<Connection>>(clock, config.localWaitersMax);
  const farewells = new Farewells(holder, background);
  const closer = new Closer({ holder, roster, farewells, background, onClosed, onFree: serve });
  const chores = new Chores(holder, doChores);
  const renewer = new Renewer(holder, roster, chores, {
    lost: (connection, reason) => {
      events.emit('leaseLost', { reason, inUse: connection.place === 'lent' });
      if (connection.place === 'idle') closer.lose(connection);
      // The borrower's statement fails now, rather than running on after somebody else was given the place.
      else if (connection.place === 'lent')
        background.add(closeStep(connection.driver, config.operationTimeoutMs));
    },
    yielded: (connection) => closer.close(connection, 'yielded'),
  });
  const fitness = new Fitness(holder);
  const minimum = new Minimum(holder, roster);
  const wakes = new Wakes(holder);
  const gate = new Gate(renewer, config.dangerMarginMs);
  const shared = { holder, roster, fitness, renewer };
  const supply = new Supply({
    ...shared,
    ...{ driver, waiters, minimum, chores, wakes, farewells, gate, ready },
    opened: (connection) => {
      upkeep.watchAnew();
      connection.driver.onEnd(() => {
        if (connection.place === 'idle') closer.close(connection, 'broken');
      });
    },
    drop: (connection, reason) => closer.close(connection, reason),
  });
  const upkeep = new Upkeep({ ...shared, closer, supply, background, isFrozenBetween, keepMinimum, serve });
  const credentials = driver.onCredentialsChange?.(() => upkeep.renewConnections(RENEW_OVER_MS));
  const stop = (): void => {
    credentials?.[Symbol.dispose]();
    for (const part of [renewer, chores, wakes, upkeep]) part.stop();
  };
  const coarse = new CoarseClock(clock);
  return { ...shared, coarse, waiters, background, closer, chores, minimum, supply, upkeep, stop };
};
