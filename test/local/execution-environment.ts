import { randomBytes, randomUUID } from 'node:crypto';
import { type Deferred, deferred } from './deferred.ts';
import { FunctionProcess } from './function-process.ts';
import type { Keeper } from './keeper.ts';
import type { EndReason, Listen } from './local-event.ts';
import { type FunctionError, failed, type Outcome } from './outcome.ts';
import type { PackagedFunction } from './packaged-service.ts';
import { RuntimeApi } from './runtime-api.ts';

/** What all environments of the local Lambda have in common. */
export interface Host {
  /** The program of the runtime: AWS's runtime interface client. */
  readonly program: string;
  readonly keeper: Keeper;
  readonly listen: Listen;
}

export interface EnvironmentPlan {
  readonly host: Host;
  readonly packaged: PackagedFunction;
  /** The function's own variables. */
  readonly env: Readonly<Record<string, string>>;
  /** How it is called here: `orders-3`. */
  readonly name: string;
  /** Invocations that it takes at once: with more than one it is never frozen, as on Managed Instances. */
  readonly maxConcurrency: number;
  /** It may be free, or gone. */
  readonly onChange: () => void;
}

/** Lambda's bound is 10 s; a small machine that starts many at once needs longer. */
const INIT_TIMEOUT_MS = 60_000;
/** Between SIGTERM and SIGKILL where an internal extension is registered, in ms (AWS, "Lambda execution environment lifecycle"). */
const TERM_GRACE_MS = 500;

interface Running {
  readonly settle: (outcome: Outcome) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

/**
 * One execution environment: a process of the runtime interface client, stopped by SIGSTOP from the moment it waits for its
 * next event until there is one. After a timeout or a crash the same environment is initialised again, in a new process,
 * when it is needed again.
 */
export class ExecutionEnvironment {
  readonly name: string;
  readonly #plan: EnvironmentPlan;
  readonly #logStream = `local/[$LATEST]${randomBytes(16).toString('hex')}`;
  readonly #running = new Map<string, Running>();
  #api: RuntimeApi | undefined;
  #process: FunctionProcess | undefined;
  #state: 'cold' | 'starting' | 'ready' | 'ending' | 'gone' = 'cold';
  #isFrozen = false;
  /** Its SIGKILL is on the way. */
  #isDoomed = false;
  #init: Deferred<FunctionError | undefined> | undefined;

  constructor(plan: EnvironmentPlan) {
    this.#plan = plan;
    this.name = plan.name;
  }

  /** Undefined: it has no process at the moment. */
  get pid(): number | undefined {
    return this.#process?.isOver === false ? this.#process.pid : undefined;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Initialised, and with room for an invocation. */
  get isFree(): boolean {
    const isWaiting = this.#state === 'ready' && this.#api?.isWaiting === true;
    return isWaiting && !this.#isDoomed && this.#running.size < this.#plan.maxConcurrency;
  }

  /** It can be initialised: for the first time, or after a timeout or a crash. */
  get isCold(): boolean {
    return this.#state === 'cold';
  }

  get isGone(): boolean {
    return this.#state === 'gone';
  }

  /** Resolves with what went wrong, if anything: then the environment is gone. */
  async start(): Promise<FunctionError | undefined> {
    const { host, name } = this.#plan;
    const startedAt = performance.now();
    this.#state = 'starting';
    const init = deferred<FunctionError | undefined>();
    this.#init = init;
    const api = await RuntimeApi.start({
      onWaiting: () => this.#onWaiting(),
      onOutcome: (requestId, outcome) => this.#onOutcome(requestId, outcome),
      onInitError: (error) => this.#init?.resolve(error),
    });
    if (this.isGone) {
      // Ended before it had a process.
      await api.close();
      return init.promise;
    }
    this.#api = api;
    const process = this.#spawn(api.address);
    const late = {
      errorType: 'Runtime.InitTimeout',
      errorMessage: `Init took longer than ${INIT_TIMEOUT_MS} ms.`,
    };
    const bound = setTimeout(() => init.resolve(late), INIT_TIMEOUT_MS);
    const error = await init.promise;
    clearTimeout(bound);
    if (error !== undefined) {
      await this.end('init failed');
      return error;
    }
    const initMs = Math.round(performance.now() - startedAt);
    host.listen({ kind: 'started', environment: name, pid: process.pid, initMs });
    return undefined;
  }

  /** It must be free. */
  invoke(payload: string): Promise<Outcome> {
    if (this.#api === undefined || !this.isFree) throw new Error(`${this.name} is not free.`);
    const { packaged, maxConcurrency } = this.#plan;
    const requestId = randomUUID();
    const { promise, resolve } = deferred<Outcome>();
    // Where several run at once Lambda does not enforce the timeout.
    const timer =
      maxConcurrency > 1 ? undefined : setTimeout(() => this.#onTimeout(requestId), packaged.timeoutMs);
    this.#running.set(requestId, { settle: resolve, timer });
    this.#thaw();
    this.#api.send({
      requestId,
      payload,
      deadlineEpochMs: Date.now() + packaged.timeoutMs,
      functionArn: arnOf(packaged),
    });
    return promise;
  }

  /** As Lambda ends it: with a SIGTERM half a second before, where an extension is registered. */
  async end(reason: EndReason): Promise<void> {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#init?.resolve({
      errorType: 'Runtime.ExitError',
      errorMessage: `The environment was ended: ${reason}.`,
    });
    await this.#endProcess(reason);
    await this.#api?.close();
    this.#plan.onChange();
  }

  /** SIGKILL from outside. */
  kill(): void {
    this.#isDoomed = true;
    this.#process?.signal('SIGKILL');
  }

  /**
   * Gone with its host: nobody is told, its sockets are not closed, and the database does not hear of it. Its process stays
   * stopped until the local Lambda ends.
   */
  vanish(): void {
    const { pid } = this;
    if (this.isGone || pid === undefined) return;
    this.#process?.signal('SIGSTOP');
    this.#state = 'gone';
    this.#plan.host.listen({ kind: 'ended', environment: this.name, pid, reason: 'vanished' });
    this.#init?.resolve(LOST);
    this.#settleAll({ kind: 'failed', error: LOST });
    this.#plan.onChange();
  }

  /** What has vanished is still there; nothing may be left of the local Lambda. */
  async clear(): Promise<void> {
    if (this.#process?.isOver === false) await this.#process.end(0);
    await this.#api?.close();
  }

  #spawn(address: string): FunctionProcess {
    const { host, packaged, env } = this.#plan;
    const ours: FunctionProcess = new FunctionProcess(
      {
        program: host.program,
        folder: packaged.folder,
        env: { ...env, ...this.#reserved(address) },
        onLine: (text) => host.listen({ kind: 'line', environment: this.name, text }),
        onExit: () => this.#onExit(ours),
      },
      host.keeper,
    );
    this.#process = ours;
    return ours;
  }

  /** The variables that Lambda sets and no function can (AWS, "Defined runtime environment variables"). */
  #reserved(address: string): Record<string, string> {
    const { packaged, maxConcurrency } = this.#plan;
    const isMulti = maxConcurrency > 1;
    return {
      PATH: process.env['PATH'] ?? '',
      LANG: 'en_US.UTF-8',
      TZ: ':UTC',
      _HANDLER: packaged.handler,
      LAMBDA_TASK_ROOT: packaged.folder,
      AWS_LAMBDA_RUNTIME_API: address,
      AWS_LAMBDA_FUNCTION_NAME: packaged.functionName,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(packaged.memoryMb),
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${packaged.functionName}`,
      AWS_LAMBDA_LOG_STREAM_NAME: this.#logStream,
      AWS_LAMBDA_INITIALIZATION_TYPE: isMulti ? 'lambda-managed-instances' : 'on-demand',
      AWS_EXECUTION_ENV: `AWS_Lambda_${packaged.runtime}`,
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_XRAY_CONTEXT_MISSING: 'LOG_ERROR',
      ...(isMulti ? this.#multiConcurrency() : {}),
    };
  }

  /** Each worker thread of the client waits for events on a thread of libuv's pool, which has four if nobody asks for more. */
  #multiConcurrency(): Record<string, string> {
    const workers = Math.min(this.#plan.maxConcurrency, WORKERS_MAX);
    return {
      AWS_LAMBDA_MAX_CONCURRENCY: String(this.#plan.maxConcurrency),
      AWS_LAMBDA_NODEJS_WORKER_COUNT: String(workers),
      UV_THREADPOOL_SIZE: String(workers + 4),
    };
  }

  /** Init is over, or an invocation: with nothing to do it is frozen. */
  #onWaiting(): void {
    if (this.#state === 'starting') {
      this.#state = 'ready';
      this.#init?.resolve(undefined);
    }
    if (this.#state !== 'ready') return;
    if (this.#running.size === 0 && this.#plan.maxConcurrency === 1) this.#freeze();
    this.#plan.onChange();
  }

  /** Of several at once each leaves room for another. One alone is over only when its runtime asks for the next event. */
  #onOutcome(requestId: string, outcome: Outcome): void {
    this.#settle(requestId, outcome);
    if (this.#plan.maxConcurrency > 1) this.#plan.onChange();
  }

  #freeze(): void {
    this.#isFrozen = true;
    this.#process?.signal('SIGSTOP');
    this.#tell('frozen');
  }

  #thaw(): void {
    if (!this.#isFrozen) return;
    this.#isFrozen = false;
    this.#process?.signal('SIGCONT');
    this.#tell('thawed');
  }

  #tell(kind: 'frozen' | 'thawed'): void {
    this.#plan.host.listen({ kind, environment: this.name, pid: this.pid ?? 0 });
  }

  #settle(requestId: string, outcome: Outcome): void {
    const running = this.#running.get(requestId);
    if (running === undefined) return;
    this.#running.delete(requestId);
    clearTimeout(running.timer);
    running.settle(outcome);
  }

  #settleAll(outcome: Outcome): void {
    for (const requestId of [...this.#running.keys()]) this.#settle(requestId, outcome);
  }

  async #onTimeout(requestId: string): Promise<void> {
    const seconds = (this.#plan.packaged.timeoutMs / 1_000).toFixed(2);
    this.#settle(requestId, failed('Sandbox.Timedout', `Task timed out after ${seconds} seconds`));
    if (this.#state !== 'ready') return;
    this.#state = 'ending';
    await this.#endProcess('timed out');
    if (this.#state === 'ending') this.#becomeCold();
  }

  /** Nobody ended it on purpose: in the middle of an invocation, or while it was idle. */
  #onExit(ours: FunctionProcess): void {
    if (ours !== this.#process) return;
    if (this.#state === 'starting') {
      this.#init?.resolve({ errorType: 'Runtime.ExitError', errorMessage: 'Runtime exited during init.' });
      return;
    }
    if (this.#state !== 'ready') return;
    const wasBusy = this.#running.size > 0;
    this.#plan.host.listen({ kind: 'ended', environment: this.name, pid: ours.pid, reason: 'killed' });
    this.#settleAll(failed('Runtime.ExitError', 'Runtime exited.'));
    if (wasBusy) this.#becomeCold();
    else void this.end('killed');
  }

  #becomeCold(): void {
    // The next process has an address of its own: what the last one had still said is not heard any more.
    void this.#api?.close();
    this.#api = undefined;
    this.#isFrozen = false;
    this.#isDoomed = false;
    this.#state = 'cold';
    this.#plan.onChange();
  }

  async #endProcess(reason: EndReason): Promise<void> {
    const ours = this.#process;
    if (ours === undefined || ours.isOver) return;
    this.#settleAll(failed('Runtime.ExitError', `The environment was ended: ${reason}.`));
    await ours.end(this.#api?.hasExtension === true ? TERM_GRACE_MS : 0);
    this.#plan.host.listen({ kind: 'ended', environment: this.name, pid: ours.pid, reason });
  }
}

const LOST: FunctionError = { errorType: 'Runtime.ExitError', errorMessage: 'The environment was lost.' };

const REGION = 'eu-central-1';
/** Eight for each vCPU on Managed Instances; a small machine has no use for more. */
const WORKERS_MAX = 8;

/** An account that is nobody's. */
const arnOf = ({ functionName }: PackagedFunction): string =>
  `arn:aws:lambda:${REGION}:${'0'.repeat(12)}:function:${functionName}`;
