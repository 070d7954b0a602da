import { Command, InvalidArgumentError } from 'commander';

export interface Arguments {
  readonly port: number;
  readonly capacity: number;
  /** Seconds. */
  readonly sweepEvery: number;
  /** Seconds until an environment with nothing to do is ended. */
  readonly idle: number;
  readonly maxEnvironments: number;
  /** Invocations that one environment takes at once. */
  readonly maxConcurrency: number;
  readonly logs: boolean;
  readonly json: boolean;
}

interface NumberRule {
  readonly flag: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly doc: string;
}

const NUMBERS: readonly NumberRule[] = [
  {
    flag: 'port',
    default: 3_000,
    min: 0,
    max: 65_535,
    doc: 'of the HTTP API on 127.0.0.1; 0: any that is free',
  },
  {
    flag: 'capacity',
    default: 10,
    min: 1,
    max: 200,
    doc: 'connections that the fleet, and the database, allow',
  },
  { flag: 'sweep-every', default: 10, min: 1, max: 3_600, doc: 'seconds between two runs of the sweeper' },
  {
    flag: 'idle',
    default: 60,
    min: 1,
    max: 3_600,
    doc: 'seconds until an environment with nothing to do is ended',
  },
  { flag: 'max-environments', default: 30, min: 1, max: 500, doc: 'of each function; about 60 MB each' },
  {
    flag: 'max-concurrency',
    default: 1,
    min: 1,
    max: 64,
    doc: 'invocations at once in one environment; above 1 as on Managed Instances',
  },
];

/** Prints the help and exits where it is asked for; exits with 2 at wrong usage. */
export const readArguments = (argv: readonly string[]): Arguments => {
  const command = new Command('npm run local --')
    .description(
      "The packaged service on this machine: the bundles as they would be deployed, on AWS's own runtime " +
        'interface client, with a real PostgreSQL and Redis, a schedule and an HTTP API in front.',
    )
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .showHelpAfterError('See --help.');
  for (const rule of NUMBERS)
    command.option(
      `--${rule.flag} <number>`,
      `${rule.doc} (${rule.min} to ${rule.max})`,
      (text: string) => wholeNumber(rule, text),
      rule.default,
    );
  return command
    .option('--logs', 'show every line that the functions write', false)
    .option('--json', 'one JSON object a line on stdout, for each event', false)
    .parse([...argv], { from: 'user' })
    .opts<Arguments>();
};

const wholeNumber = ({ min, max }: NumberRule, text: string): number => {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
};
