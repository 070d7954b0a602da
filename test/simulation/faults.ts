import { RESOURCE } from './environment.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

const CUT_MAX_MS = 6_000;
const OUTAGE_MAX_MS = 4_000;
const SILENCE_MAX_MS = 3_000;
const DOWN_MAX_MS = 2_500;
const FORMER_MAX_MS = 4_000;
const RESTORE_MAX_MS = 1_000;
const LOCKOUT_MAX_MS = 3_000;
const HALT_MAX_MS = 3_000;
const STEP_MAX_MS = 3_000;

/** Spreads the planned faults over the time under load. */
export const scheduleFaults = (world: World): void => {
  const { faults, loadMs } = world.plan;
  const { random, timeline } = world;
  const spread = (count: number, happen: () => void): void => {
    // Where everybody is dead there is nobody left to hurt.
    const happenToSomebody = (): void => {
      if (world.living.length > 0) happen();
    };
    for (let at = 0; at < count; at += 1) timeline.at(loadMs * random.fraction(), happenToSomebody);
  };
  scheduleLosses(world);
  spread(faults.crashes, () => crash(world, random.pick(world.living).machine));
  spread(faults.freezes, () => freeze(world, random.pick(world.living).machine, freezeMs(world)));
  spread(faults.cuts, () => cut(world));
  spread(faults.outages, () => outage(world));
  spread(faults.amnesias, () => amnesia(world));
  spread(faults.restores, () => restore(world));
  spread(faults.restarts, () => restart(world));
  spread(faults.failovers, () => failOver(world));
  spread(faults.silences, () => silence(world));
  spread(faults.serverSteps, () => stepServer(world));
  spread(faults.wallSteps, () => stepWall(world));
  spread(faults.strays, () => stray(world));
  spread(faults.lockouts, () => lockOut(world));
  spread(faults.operations, () => operate(world));
  spread(faults.sweeps, () => void world.sweep());
};

/** The moment at which a session is on its way, and its holder is not there any more. */
const scheduleLosses = (world: World): void => {
  const { lossInLogin } = world.plan.faults;
  if (lossInLogin === 0) return;
  world.database.whenLoginSent = (machine) => {
    if (!world.random.chance(lossInLogin)) return;
    const isCrash = world.random.chance(0.3);
    world.timeline.after(0, () => {
      if (isCrash) crash(world, machine);
      else freeze(world, machine, freezeMs(world));
    });
  };
};

/** Between any two steps of this machine. */
export const freezeAtAnyStep = (world: World, machine: Machine): void => {
  const { freezeAtStep } = world.plan.faults;
  if (freezeAtStep === 0) return;
  machine.shouldFreeze = () => {
    if (!world.random.chance(freezeAtStep)) return false;
    freeze(world, machine, freezeMs(world));
    return true;
  };
};

/** Short, across the first deadline, or across both. */
const freezeMs = ({ random, settings }: World): number => {
  const { protectMs, idleMs } = settings;
  return (
    random.pick([0.1, 1, 1]) * random.pick([200, protectMs, protectMs + idleMs]) * (0.8 + random.fraction())
  );
};

const freeze = (world: World, machine: Machine, ms: number): void => {
  if (machine.isFrozen) return;
  const doesMonotonicStop = world.plan.faults.doesMonotonicStop && world.random.chance(0.5);
  world.note(`freezes ${machine.name}`, { ms, doesMonotonicStop });
  machine.freeze(doesMonotonicStop);
  world.timeline.after(ms, () => machine.thaw());
};

/** Somebody else comes in its place, later. */
const crash = (world: World, machine: Machine): void => {
  if (machine.isGone) return;
  const isSeen = world.random.chance(0.6);
  world.note(`crashes ${machine.name}`, { isSeen });
  machine.crash(isSeen);
  world.whenReplaced(world.random.whole(0, 2_000));
};

const cut = (world: World): void => {
  const { machine } = world.random.pick(world.living);
  world.note(`cuts ${machine.name} from the registry`);
  world.network.cut(machine);
  world.timeline.after(CUT_MAX_MS * world.random.fraction(), () => world.network.heal(machine));
};

const outage = (world: World): void => {
  world.note('the registry is down');
  world.registry.isDown = true;
  world.timeline.after(OUTAGE_MAX_MS * world.random.fraction(), () => {
    world.registry.isDown = false;
  });
};

const amnesia = (world: World): void => {
  world.note('the registry forgets everything');
  world.registry.forget();
  world.ledger.forgetAll(!world.hasSteppedBack);
  world.registryLaws.reset();
};

/** A failover to a replica that lacked the last writes. */
const restore = (world: World): void => {
  const lostMs = RESTORE_MAX_MS * world.random.fraction();
  world.note('the registry loses its last writes', { lostMs });
  void world.restore(world.timeline.nowMs - lostMs);
};

/** The password is wrong for a while. */
const lockOut = (world: World): void => {
  const ms = LOCKOUT_MAX_MS * world.random.fraction();
  world.note('the database refuses every login', { ms });
  world.database.lockedUntilMs = world.timeline.nowMs + ms;
};

/** An operator's word; what stops the fleet is taken back after a while. */
const operate = (world: World): void => {
  const { random, timeline, plan, ledger } = world;
  const forMs = Math.round(HALT_MAX_MS * random.fraction());
  const kind = random.pick(['pause', 'halt', 'drain', 'resize', 'late', 'reconnect', 'share'] as const);
  if (kind === 'pause') void world.operate({ kind, forMs });
  else if (kind === 'reconnect') void world.operate({ kind });
  else if (kind === 'halt' || kind === 'drain') {
    void world.operate(kind === 'drain' ? { kind } : { kind: 'pause', forMs: 0 });
    timeline.after(forMs, () => void world.operate({ kind: 'resume' }));
  } else if (kind === 'share') {
    const { name, share } = random.pick(plan.groups);
    void world.operate({
      kind,
      group: name,
      share: { ...share, max: random.whole(Math.max(1, share.min), Math.max(4, share.min)) },
    });
  } else {
    const capacity = random.whole(1, 7);
    const size = { capacity, headroom: random.whole(0, Math.floor(capacity / 2)) };
    // A message that a newer one has overtaken.
    const late = kind === 'late' ? { version: ledger.version } : {};
    void world.operate({ kind: 'resize', ...size, ...late });
  }
};

const restart = (world: World): void => {
  world.note('the database restarts');
  world.database.restart(DOWN_MAX_MS * world.random.fraction());
};

const failOver = (world: World): void => {
  const formerMs = FORMER_MAX_MS * world.random.fraction();
  world.note('the database fails over', { formerMs });
  world.database.failOver(formerMs);
};

const silence = (world: World): void => {
  const ms = SILENCE_MAX_MS * world.random.fraction();
  world.note('the database falls silent', { ms });
  world.database.silentUntilMs = world.timeline.nowMs + ms;
};

const stepServer = (world: World): void => {
  const ms = Math.round(STEP_MAX_MS * (2 * world.random.fraction() - 1));
  world.note("the registry's clock steps", { ms });
  world.registry.stepClock(ms);
  world.ledger.step(ms);
  if (ms < 0) world.hasSteppedBack = true;
};

const stepWall = (world: World): void => {
  const { machine } = world.random.pick(world.living);
  const ms = Math.round(STEP_MAX_MS * (2 * world.random.fraction() - 1));
  world.note(`steps the wall clock of ${machine.name}`, { ms });
  machine.stepWall(ms);
};

/** A message of somebody who is not the holder, or not of this grant: it must change nothing (L4). */
const stray = (world: World): void => {
  // What a census has found belongs to whoever knows its id and fence.
  const leases = [...world.ledger.leases.values()].filter(({ holder }) => holder !== '?');
  if (leases.length === 0) return;
  const { id, fence, holder } = world.random.pick(leases);
  const isOther = world.random.chance(0.5);
  const sender = isOther ? `${holder}x` : holder;
  const item = { id, fence: isOther ? fence : fence - 1, turn: 1_000, idle: false, outcome: 'closed' };
  const operation = world.random.pick(['renew', 'park', 'release', 'abandon']);
  world.note(`a stray ${operation}`, item);
  void world.registry.stray(operation, [RESOURCE, sender, [item]]).then((reply) => {
    const text = JSON.stringify(reply);
    const isIgnored = text.includes('"unknown"') || text.includes('"lost"');
    world.court.judge('L4', isIgnored, () => `a stray ${operation} of ${id} was answered ${text}`);
  });
};
