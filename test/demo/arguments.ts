import { Command } from 'commander';
import { ENGINES, type EngineName } from './engine/engine.ts';

export interface Arguments {
  readonly isJson: boolean;
  readonly engine: EngineName;
  /** For everything, start and stop included. */
  readonly seconds: number;
  readonly capacity: number;
  readonly environments: number;
  /** Undefined: Redis where there is one, else memory. */
  readonly registry: 'redis' | 'memory' | undefined;
  /** Where to keep the database's log, with every connection in it. */
  readonly log: string | undefined;
}

/** What is wrong with the command line, everything at once. */
export class UsageError extends Error {}

interface NumberRule {
  readonly name: 'seconds' | 'capacity' | 'environments';
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly doc: string;
}

const NUMBERS: readonly NumberRule[] = [
  { name: 'seconds', default: 32, min: 20, max: 3_600, doc: 'for everything, start and stop included' },
  { name: 'capacity', default: 20, min: 1, max: 500, doc: 'connections that the database allows' },
  { name: 'environments', default: 104, min: 2, max: 2_000, doc: 'execution environments of the fleet' },
];

const REGISTRIES = ['redis', 'memory'] as const;

const makeCommand = (): Command => {
  const command = new Command('npm run demo --')
    .description(
      'A fleet of serverless environments and one database with fewer connections: first as people do it today, then ' +
        'with leasehold, then with processes killed and frozen. The database itself counts whom it refused.',
    )
    .allowUnknownOption()
    .allowExcessArguments();
  for (const { name, default: fallback, min, max, doc } of NUMBERS)
    command.option(`--${name} [number]`, `${doc} (${min} to ${max})`, String(fallback));
  return command
    .option('--engine [name]', `the database: ${ENGINES.join(' or ')}`, ENGINES[0])
    .option('--registry [kind]', 'redis or memory (default: redis where there is one, else memory)')
    .option('--log [file]', "keep the database's log of every connection in this file")
    .option('--json', 'print one JSON object on stdout, nothing else')
    .addHelpText('after', '\nExit codes: 0 leasehold held, 1 it did not or the demo failed, 2 wrong usage.');
};

/** Prints the help and exits where it is asked for. @throws UsageError */
export const readArguments = (argv: readonly string[]): Arguments => {
  const command = makeCommand().parse([...argv], { from: 'user' });
  const given = command.opts<Record<string, unknown>>();
  const problems = unknownWords(command.args);
  const [seconds = 0, capacity = 0, environments = 0] = NUMBERS.map((rule) =>
    readNumber(rule, given[rule.name], problems),
  );
  if (problems.length === 0 && environments <= capacity) {
    problems.push(
      `--environments ${environments} is not more than --capacity ${capacity}: then nobody has to wait`,
    );
  }
  const engine = readEngine(given['engine'], problems);
  const registry = readRegistry(given['registry'], problems);
  const log = given['log'];
  if (log === true) problems.push('--log needs a file');
  if (problems.length > 0) throw new UsageError(problems.map((text) => `  - ${text}`).join('\n'));
  const isJson = given['json'] === true;
  return { isJson, engine, seconds, capacity, environments, registry, log: log as string | undefined };
};

const unknownWords = (words: readonly string[]): string[] => {
  const options = words.filter((word) => word.startsWith('-'));
  // What follows an unknown option may be its value.
  if (options.length > 0) return options.map((word) => `${word}: no such option; see --help`);
  return words.map((word) => `${JSON.stringify(word)}: the demo takes options only; see --help`);
};

const readNumber = ({ name, min, max }: NumberRule, given: unknown, problems: string[]): number => {
  const value = typeof given === 'string' && given.trim() !== '' ? Number(given) : Number.NaN;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  const shown = typeof given === 'string' ? ` ${given}` : '';
  problems.push(`--${name}${shown} is not a whole number from ${min} to ${max}`);
  return min;
};

const readEngine = (given: unknown, problems: string[]): EngineName => {
  const engine = ENGINES.find((name) => name === given);
  if (engine !== undefined) return engine;
  problems.push(`--engine ${given === true ? 'needs a value' : given}: it is ${ENGINES.join(' or ')}`);
  return ENGINES[0];
};

const readRegistry = (given: unknown, problems: string[]): Arguments['registry'] => {
  const kind = REGISTRIES.find((name) => name === given);
  if (kind === undefined && given !== undefined)
    problems.push(`--registry ${given === true ? 'needs a value' : given}: it is redis or memory`);
  return kind;
};
