import { LeaseholdError } from '../core/errors.ts';
import type { Driver, DriverConnection } from '../driver/driver.ts';
import { Background } from '../pool/background.ts';
import type { Chores } from '../pool/chores.ts';
import { Farewells } from '../pool/farewells.ts';
import type { HeldLease } from '../pool/held-lease.ts';
import type { Holder } from '../pool/holder.ts';
import { LeaseRequest, type Patience } from '../pool/lease-request.ts';
import { connectError, openUnder, outcomeOf } from '../pool/opener.ts';
import { Wakes } from '../pool/wakes.ts';

/** From where the sweeper ends sessions and looks whether they are gone. */
export interface Lookout {
  readonly connection: DriverConnection<unknown>;
  /** The lease it stands on; none for an administrator's connection. */
  readonly lease: HeldLease | undefined;
  /** Before each step: false when it may not be used any more. */
  keep(): Promise<boolean>;
  leave(): Promise<void>;
}

const neverGated = (): undefined => undefined;

/** A connection of an administrator's role. Its label is not a lease's: nobody may take its session for one. */
export const openAsAdministrator = (
  { resource, idleMs, connectTimeoutMs }: Holder['config'],
  namespace: string,
  driver: Driver<unknown>,
) =>
  driver.open({
    label: `lh-sweep:${resource}.${namespace}`,
    idleMs,
    timeoutMs: connectTimeoutMs,
    gate: neverGated,
  });

/** Through an administrator's role: outside the capacity, so it needs no lease. */
export const openControl = async (holder: Holder, driver: Driver<unknown>): Promise<Lookout> => {
  const { config, registry } = holder;
  const opened = await openAsAdministrator(config, registry.namespace, driver);
  if (opened.kind !== 'open') {
    // Under no lease: the fleet's breaker would not hear of it.
    const word = { kind: 'observe', holder: holder.id, outcome: outcomeOf(opened) } as const;
    await registry
      .operate(config.resource, word)
      .catch((error: unknown) => holder.events.emit('registryFailed', { operation: 'observe', error }));
    throw connectError(driver.engine, opened);
  }
  const { connection } = opened;
  return {
    connection,
    lease: undefined,
    keep: async () => connection.isOpen,
    leave: async () => {
      await connection.close(config.operationTimeoutMs);
    },
  };
};

/** Through a lease like everyone, with whatever duties are given out along with it. `undefined`: none was to be had in time. */
export const openLeased = async (
  holder: Holder,
  driver: Driver<unknown>,
  chores: Chores,
  patience: Patience,
): Promise<Lookout | undefined> => {
  const { clock, events } = holder;
  const onError = (error: unknown): void => events.emit('registryFailed', { operation: 'background', error });
  const background = new Background(clock, onError);
  const farewells = new Farewells(holder, background);
  const wakes = new Wakes(holder);
  const answer = await new LeaseRequest(holder, farewells, wakes, patience).run().finally(() => wakes.stop());
  if (answer === undefined) {
    await background.settled(holder.config.operationTimeoutMs);
    return undefined;
  }
  const { lease } = answer;
  chores.take(answer.reply, answer.sentAt);
  const opened = await openUnder(holder, driver, answer, { gate: neverGated, signal: patience.signal });
  if (opened.kind === 'open')
    return leasedLookout(holder, opened.driver, lease, { chores, farewells, background });
  if (opened.isReleasable) farewells.release(lease, opened.outcome);
  else farewells.abandon(lease, opened.outcome);
  await background.settled(holder.config.operationTimeoutMs);
  throw (
    opened.error ?? new LeaseholdError('REGISTRY_UNREACHABLE', 'The lease arrived too late for a connect.')
  );
};

interface LeasedParts {
  readonly chores: Chores;
  readonly farewells: Farewells;
  readonly background: Background;
}

const leasedLookout = (
  holder: Holder,
  connection: DriverConnection<unknown>,
  lease: HeldLease,
  { chores, farewells, background }: LeasedParts,
): Lookout => ({
  connection,
  lease,
  keep: async () => connection.isOpen && (await renew(holder, connection, lease, chores)),
  leave: async () => {
    const { endSeen } = await connection.close(holder.config.operationTimeoutMs);
    if (endSeen) farewells.release(lease, 'closed');
    else farewells.abandon(lease, 'unseen', connection.session);
    await background.settled(holder.config.operationTimeoutMs);
  },
});

/** Binds the session at the first time, prolongs the protection, and brings duties. */
const renew = async (
  holder: Holder,
  { session }: DriverConnection<unknown>,
  lease: HeldLease,
  chores: Chores,
): Promise<boolean> => {
  const { registry, config, clock, id } = holder;
  const sentAt = clock.read();
  const turn = lease.nextTurn();
  const reply = await registry.renew(config.resource, id, [{ ...lease.ref, turn, session, idle: false }]);
  chores.take(reply, sentAt);
  const [outcome] = reply.outcomes;
  if (outcome?.kind !== 'held') {
    lease.loss = outcome?.kind === 'lost' ? outcome.reason : 'unknown';
    return false;
  }
  lease.prolong(turn, sentAt, outcome.protectMs, reply.renewAfterMs);
  return lease.remainingMs() > config.dangerMarginMs;
};
