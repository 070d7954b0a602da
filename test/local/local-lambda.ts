import type { Host } from './execution-environment.ts';
import { Keeper } from './keeper.ts';
import { LambdaFunction, type Scaling, StartLine } from './lambda-function.ts';
import type { Listen } from './local-event.ts';
import type { Outcome } from './outcome.ts';
import type { PackagedService } from './packaged-service.ts';

export interface LambdaPlan {
  /** The program of the runtime: AWS's runtime interface client. */
  readonly program: string;
  readonly service: PackagedService;
  /** Variables of every function, before those of its own. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables of one function, by its key. */
  readonly envOf?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly scaling: Scaling;
  /** How many environments may start at the same time. */
  readonly startsAtOnce: number;
  readonly listen: Listen;
}

/** The functions of a packaged service on this machine. */
export class LocalLambda {
  readonly #functions: ReadonlyMap<string, LambdaFunction>;
  readonly #keeper = new Keeper();

  constructor({ program, service, env, envOf = {}, scaling, startsAtOnce, listen }: LambdaPlan) {
    const host: Host = { program, keeper: this.#keeper, listen };
    const starts = new StartLine(startsAtOnce);
    const functions = service.functions.map((packaged) => {
      const variables = { ...packaged.env, ...env, ...envOf[packaged.key] };
      return new LambdaFunction({ host, packaged, env: variables, scaling, starts });
    });
    this.#functions = new Map(functions.map((each) => [each.key, each]));
  }

  get functions(): readonly LambdaFunction[] {
    return [...this.#functions.values()];
  }

  function(key: string): LambdaFunction {
    const found = this.#functions.get(key);
    if (found) return found;
    throw new Error(`The package has no function ${key}; it has ${[...this.#functions.keys()].join(', ')}.`);
  }

  invoke(key: string, event: unknown): Promise<Outcome> {
    return this.function(key).invoke(event);
  }

  async close(): Promise<void> {
    await Promise.all(this.functions.map((each) => each.close()));
    this.#keeper.close();
  }
}
