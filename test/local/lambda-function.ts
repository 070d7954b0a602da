import { setTimeout as pause } from 'node:timers/promises';
import { deferred } from './deferred.ts';
import { ExecutionEnvironment, type Host } from './execution-environment.ts';
import { failed, type Outcome } from './outcome.ts';
import type { PackagedFunction } from './packaged-service.ts';

export interface Scaling {
  /** What this machine bears. Lambda would start more; here whoever finds none waits in line. */
  readonly environmentsMax: number;
  /** An environment that has had nothing to do for so long is ended. */
  readonly idleMs: number;
  /** Invocations that one environment takes at once: above one as on Managed Instances. */
  readonly maxConcurrency: number;
  /** Nobody stands in line for longer: it counts as throttled. */
  readonly lineMs: number;
}

export interface FunctionPlan {
  readonly host: Host;
  readonly packaged: PackagedFunction;
  readonly env: Readonly<Record<string, string>>;
  readonly scaling: Scaling;
  /** Bounds how many environments start at once, on the whole machine. */
  readonly starts: StartLine;
}

/** Initialising takes a core each: too many at once and all of them are slow. */
export class StartLine {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

interface Waiting {
  readonly payload: string;
  readonly settle: (outcome: Outcome) => void;
  readonly timer: NodeJS.Timeout;
}

/** Lambda tries a throttled asynchronous invocation again for hours; nobody waits so long here. */
const THROTTLED_AGAIN_MS = 1_000;
const THROTTLED_TRIES = 60;

/** One function: environments on demand, as many as are needed at once, the last used first. */
export class LambdaFunction {
  readonly #plan: FunctionPlan;
  readonly #waiting: Waiting[] = [];
  /** Most recently used last. */
  readonly #environments: ExecutionEnvironment[] = [];
  readonly #vanished: ExecutionEnvironment[] = [];
  readonly #reapers = new Map<ExecutionEnvironment, NodeJS.Timeout>();
  readonly #starting = new Set<ExecutionEnvironment>();
  #count = 0;
  #isClosed = false;

  constructor(plan: FunctionPlan) {
    this.#plan = plan;
  }

  get key(): string {
    return this.#plan.packaged.key;
  }

  get environments(): readonly ExecutionEnvironment[] {
    return this.#environments;
  }

  /** A synchronous invocation (RequestResponse). Never rejects. */
  async invoke(event: unknown): Promise<Outcome> {
    if (this.#isClosed || this.#isThrottled) {
      this.#plan.host.listen({ kind: 'throttled', functionName: this.key });
      return { kind: 'throttled' };
    }
    const { promise, resolve } = deferred<Outcome>();
    const waiting: Waiting = {
      payload: JSON.stringify(event),
      settle: resolve,
      timer: setTimeout(() => this.#giveUp(waiting), this.#plan.scaling.lineMs),
    };
    this.#waiting.push(waiting);
    this.#serve();
    return promise;
  }

  /** An asynchronous invocation (Event): tried again as the function is configured. Resolves with what came of it at last. */
  async invokeAsync(event: unknown): Promise<Outcome> {
    let failures = 0;
    for (let throttles = 0; ; ) {
      const outcome = await this.invoke(event);
      if (outcome.kind === 'answered' || this.#isClosed) return outcome;
      if (outcome.kind === 'throttled') throttles += 1;
      else failures += 1;
      if (failures > this.#plan.packaged.retriesMax || throttles >= THROTTLED_TRIES) return outcome;
      await pause(THROTTLED_AGAIN_MS);
    }
  }

  /** Ends every environment as Lambda would; resolves when none is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiting of this.#waiting.splice(0)) this.#settle(waiting, { kind: 'throttled' });
    for (const timer of this.#reapers.values()) clearTimeout(timer);
    await Promise.all(this.#environments.map((environment) => environment.end('closed')));
    await Promise.all(this.#vanished.map((environment) => environment.clear()));
  }

  get #isThrottled(): boolean {
    const { reservedConcurrency } = this.#plan.packaged;
    if (reservedConcurrency === undefined) return false;
    const running = this.#environments.reduce((sum, { runningCount }) => sum + runningCount, 0);
    return running + this.#waiting.length >= reservedConcurrency;
  }

  /** Gives those in line to free environments, and starts what is lacking. */
  #serve(): void {
    if (this.#isClosed) return;
    for (let free = this.#free(); free !== undefined; free = this.#free()) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#use(free, next);
    }
    const { environmentsMax, maxConcurrency } = this.#plan.scaling;
    const lacking = Math.ceil(this.#waiting.length / maxConcurrency);
    while (this.#starting.size < lacking) {
      const cold = this.#environments.find((each) => each.isCold && !this.#starting.has(each));
      if (cold === undefined && this.#environments.length >= environmentsMax) return;
      void this.#start(cold ?? this.#add());
    }
  }

  #free(): ExecutionEnvironment | undefined {
    return this.#environments.findLast(({ isFree }) => isFree);
  }

  #use(environment: ExecutionEnvironment, { payload, settle, timer }: Waiting): void {
    clearTimeout(timer);
    this.#keep(environment);
    this.#environments.splice(this.#environments.indexOf(environment), 1);
    this.#environments.push(environment);
    void environment.invoke(payload).then(settle);
  }

  #add(): ExecutionEnvironment {
    const { host, packaged, env, scaling } = this.#plan;
    this.#count += 1;
    const environment: ExecutionEnvironment = new ExecutionEnvironment({
      host,
      packaged,
      env,
      name: `${packaged.key}-${this.#count}`,
      maxConcurrency: scaling.maxConcurrency,
      onChange: () => this.#onChange(environment),
    });
    this.#environments.unshift(environment);
    return environment;
  }

  async #start(environment: ExecutionEnvironment): Promise<void> {
    this.#starting.add(environment);
    // Somebody waits for it: it has something to do.
    this.#keep(environment);
    const isWanted = (): boolean => !this.#isClosed && environment.isCold;
    const problem = await this.#plan.starts.run(async () =>
      isWanted() ? await environment.start() : undefined,
    );
    this.#starting.delete(environment);
    if (problem === undefined) return this.#serve();
    // Somebody has to hear why: the one who has waited longest.
    const first = this.#waiting.shift();
    if (first) this.#settle(first, failed(problem.errorType, problem.errorMessage));
    this.#serve();
  }

  #onChange(environment: ExecutionEnvironment): void {
    this.#keep(environment);
    if (environment.isGone) this.#drop(environment);
    else if (environment.runningCount === 0) this.#reapLater(environment);
    this.#serve();
  }

  #drop(environment: ExecutionEnvironment): void {
    const at = this.#environments.indexOf(environment);
    if (at < 0) return;
    this.#environments.splice(at, 1);
    this.#vanished.push(environment);
  }

  #reapLater(environment: ExecutionEnvironment): void {
    const timer = setTimeout(() => {
      this.#reapers.delete(environment);
      if (environment.runningCount === 0) void environment.end('reaped');
    }, this.#plan.scaling.idleMs);
    timer.unref();
    this.#reapers.set(environment, timer);
  }

  #keep(environment: ExecutionEnvironment): void {
    clearTimeout(this.#reapers.get(environment));
    this.#reapers.delete(environment);
  }

  #giveUp(waiting: Waiting): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
    this.#plan.host.listen({ kind: 'throttled', functionName: this.key });
    this.#settle(waiting, { kind: 'throttled' });
  }

  #settle({ settle, timer }: Waiting, outcome: Outcome): void {
    clearTimeout(timer);
    settle(outcome);
  }
}
