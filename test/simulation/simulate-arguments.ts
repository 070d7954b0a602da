import { randomInt } from 'node:crypto';
import { Command, CommanderError, InvalidArgumentError } from 'commander';

export interface SimulateArguments {
  readonly environments: number;
  readonly capacity: number;
  readonly seconds: number;
  readonly seed: number;
  readonly svg: string | undefined;
  readonly isJson: boolean;
}

/** The command line is wrong; commander has said why. */
export class UsageError extends Error {}

const SEED_MAX = 2 ** 31 - 1;

const whole =
  (min: number, max: number) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
  };

const makeCommand = (): Command =>
  new Command('npm run simulate --')
    .description(
      'A large fleet on a virtual clock, with the real pools and the real memory registry: a day from night to night ' +
        'with bursts, environments that die and freeze, messages that are lost, late or doubled. Judged by the laws.',
    )
    .option(
      '--environments <number>',
      'execution environments, made when first needed',
      whole(1, 1_000_000),
      1_000,
    )
    .option('--capacity <number>', 'connections of the resource', whole(1, 100_000), 50)
    .option('--seconds <number>', 'virtual time under load', whole(1, 86_400), 60)
    .option('--seed <number>', 'replays a run (default: a random one, printed)', whole(0, SEED_MAX))
    .option('--svg <file>', 'draw waiting callers, leases and waiting times over time')
    .option('--json', 'print one JSON object on stdout, nothing else')
    .addHelpText('after', '\nExit codes: 0 all laws held, 1 one was broken, 2 wrong usage.')
    .exitOverride();

/** Prints the help and exits where it is asked for. @throws UsageError */
export const readArguments = (argv: readonly string[]): SimulateArguments => {
  const command = makeCommand();
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) process.exit(0);
    throw new UsageError(error.message);
  }
  const { environments, capacity, seconds, seed, svg, json } = command.opts<{
    environments: number;
    capacity: number;
    seconds: number;
    seed?: number;
    svg?: string;
    json?: boolean;
  }>();
  return {
    environments,
    capacity,
    seconds,
    seed: seed ?? randomInt(1, SEED_MAX),
    svg,
    isJson: json === true,
  };
};
