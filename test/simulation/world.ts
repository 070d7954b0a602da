import { parseConfig, settingsOf } from '../../lib/core/config.ts';
import { isLeaseholdError } from '../../lib/core/errors.ts';
import type { ResourceSettings } from '../../lib/core/lease.ts';
import { EPOCH_MS } from '../../lib/core/limits.ts';
import type { Operation } from '../../lib/core/operation.ts';
import { createSweeper } from '../../lib/sweeper/sweeper.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { Court } from './court.ts';
import { CALM_DATABASE, Database } from './database.ts';
import { DatabaseLaws } from './database-laws.ts';
import { simDriver } from './driver.ts';
import { Environment, RESOURCE, randomOf, type Tally } from './environment.ts';
import { Ledger, type PromisedLease } from './ledger.ts';
import { Machine } from './machine.ts';
import { CALM_NETWORK, Network } from './network.ts';
import type { Plan } from './plan.ts';
import { RegistryLaws } from './registry-laws.ts';
import { RegistryServer } from './registry-server.ts';
import { Timeline } from './timeline.ts';
import { Trace } from './trace.ts';

const START_MS = EPOCH_MS + 5_000_000_000;
/** The database itself has room for more: it shall show what was too many, not refuse it. */
const SPARE_BACKENDS = 64;
const SWEEP_MS = 3_000;
const CONNECT_SOON_MS = 100;

export interface WorldOptions {
  readonly tally: Tally;
  /** Each step is traced, and what costs more than O(1) a step is checked too. */
  readonly isSmall: boolean;
}

/** A whole fleet: environments, network, registry, database, and the court that watches them, on one virtual time. */
export class World {
  readonly plan: Plan;
  readonly timeline = new Timeline();
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly court: Court;
  readonly settings: ResourceSettings;
  readonly ledger: Ledger;
  readonly network: Network;
  readonly registry: RegistryServer;
  readonly registryLaws: RegistryLaws;
  readonly database: Database;
  readonly databaseLaws: DatabaseLaws;
  readonly environments: Environment[] = [];
  /** The registry's clock has been set back: fences and learning may start below (stated). */
  hasSteppedBack = false;
  /** Brings the next environment after so many ms. */
  whenReplaced: (delayMs: number) => void = () => undefined;
  readonly #tally: Tally;
  #made = 0;

  constructor(plan: Plan, { tally, isSmall }: WorldOptions) {
    this.plan = plan;
    this.#tally = tally;
    const { timeline } = this;
    this.trace = new Trace(isSmall);
    this.random = new SeededRandom(plan.seed ^ 0x5eed);
    this.court = new Court(() => timeline.nowMs);
    this.settings = settingsOf(parseConfig({ resource: RESOURCE, ...plan.numbers }, []));
    const rate = this.#rate();
    this.ledger = this.#newLedger(timeline, rate);
    this.registryLaws = new RegistryLaws(this.ledger, this.court, isSmall);
    const { trace, random } = this;
    this.network = new Network(timeline, random, plan.faults.network);
    this.registry = new RegistryServer({
      timeline,
      network: this.network,
      trace,
      witness: this.registryLaws.hear,
      rate,
      wallMs: START_MS,
      isLogged: plan.faults.restores > 0,
    });
    const limit = plan.numbers.capacity + SPARE_BACKENDS;
    this.database = new Database({
      timeline,
      network: this.network,
      random,
      trace,
      faults: plan.faults.database,
      limit,
    });
    this.databaseLaws = new DatabaseLaws(this.ledger, this.court, this.database);
    this.database.witness = this.databaseLaws;
    this.registryLaws.isAlive = this.databaseLaws.isAlive;
    this.registryLaws.whenLearned = () => this.databaseLaws.learned();
    timeline.isOver = () => this.court.violation !== undefined;
  }

  /** The operator declares the resource; new: nothing has to be waited for. */
  async open(): Promise<void> {
    if (this.plan.isNew) await this.registry.execute('configure', [RESOURCE, this.settings, true]);
  }

  addEnvironment(): Environment {
    this.#made += 1;
    const name = `e${this.#made}`;
    const wallMs = START_MS + this.random.whole(-5_000, 5_000);
    const machine = new Machine(name, this.timeline, { rate: this.#rate(), wallMs });
    const environment = new Environment({
      machine,
      registry: this.registry.seenFrom(machine, this.plan.registryTimeoutMs),
      database: this.database,
      numbers: this.plan.numbers,
      group: this.random.pick(this.plan.groups),
      court: this.court,
      trace: this.trace,
      tally: this.#tally,
      seed: this.plan.seed * 1_000 + this.#made,
    });
    this.environments.push(environment);
    return environment;
  }

  /** An operator's word, at the server's own console. */
  async operate(operation: Operation): Promise<void> {
    const reply = await this.registry.execute('operate', [RESOURCE, operation], 'operator');
    const isLate = operation.kind === 'resize' && operation.version !== undefined;
    this.court.judge('version', !(isLate && reply === 'done'), () => `a late word was taken: ${reply}`);
  }

  /** The caretaker comes by, on a machine of its own. */
  async sweep(): Promise<void> {
    this.#made += 1;
    const name = `s${this.#made}`;
    const machine = new Machine(name, this.timeline, { rate: this.#rate(), wallMs: START_MS });
    const { name: group, share } = this.random.pick(this.plan.groups);
    const sweeper = createSweeper({
      resource: RESOURCE,
      group,
      share,
      ...this.plan.numbers,
      registry: this.registry.seenFrom(machine, this.plan.registryTimeoutMs),
      driver: simDriver(this.database, machine),
      timeBudgetMs: SWEEP_MS,
      // Every other one looks at the database, whatever the registry says.
      lookEveryMs: this.#made % 2,
      clock: machine,
      random: randomOf(name, new SeededRandom(this.plan.seed * 1_000 + this.#made)),
    });
    await sweeper.sweep().catch((error: unknown) => {
      if (!isLeaseholdError(error)) throw error;
    });
  }

  get living(): Environment[] {
    return this.environments.filter(({ machine }) => !machine.isGone);
  }

  /** The registry is set back to where it was; what it had promised then is read again from its own log. */
  async restore(atMs: number): Promise<void> {
    const time = { nowMs: 0 };
    const earlier = this.#newLedger(time, this.registry.rate);
    const laws = new RegistryLaws(earlier, new Court(() => 0), false);
    await this.registry.restore(atMs, (execution, loggedAtMs) => {
      time.nowMs = loggedAtMs;
      laws.hear(execution);
    });
    this.ledger.adopt(earlier);
    this.registryLaws.reset();
  }

  note(what: string, detail?: unknown): void {
    this.trace.add(this.timeline.nowMs, 'world', what, detail);
  }

  /** From now on nothing goes wrong any more; what is broken stays so. */
  calm(): void {
    this.note('all faults end');
    const { nowMs } = this.timeline;
    this.network.faults = CALM_NETWORK;
    this.network.heal();
    this.registry.isDown = false;
    this.database.faults = CALM_DATABASE;
    this.database.whenLoginSent = undefined;
    this.database.downUntilMs = Math.min(this.database.downUntilMs, nowMs);
    this.database.lockedUntilMs = Math.min(this.database.lockedUntilMs, nowMs);
    // A breaker closes by itself.
    if (this.ledger.control !== 'open') void this.operate({ kind: 'resume' });
    this.database.silentUntilMs = Math.min(this.database.silentUntilMs, nowMs);
    for (const { machine } of this.environments) {
      machine.shouldFreeze = undefined;
      machine.thaw();
    }
  }

  /** Leases that count, without a session, and sessions without a lease. */
  get unmatched(): { readonly leases: string[]; readonly sessions: string[] } {
    const { byLease, attempts } = this.database;
    // A connect that was put off is still to come.
    const isDue = (lease: PromisedLease): boolean =>
      lease.connectFromMs + CONNECT_SOON_MS < this.timeline.nowMs;
    const lost = ([id, lease]: readonly [string, PromisedLease]): boolean =>
      !byLease.has(id) && !attempts.has(id) && isDue(lease);
    const leases = [...this.ledger.leases].filter(lost).map(([id]) => id);
    const sessions = [...byLease.keys()].filter((id) => !this.ledger.leases.has(id));
    return { leases, sessions };
  }

  #newLedger(time: Pick<Timeline, 'nowMs'>, rate: number): Ledger {
    const shares = new Map(this.plan.groups.map(({ name, share }) => [name, share]));
    return new Ledger(time, this.settings, rate, shares);
  }

  #rate(): number {
    const { drift } = this.plan.faults;
    return 1 + drift * (2 * this.random.fraction() - 1);
  }
}
