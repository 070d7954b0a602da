/**
 * Everything that can be judged without running the product: `npm run check [-- --only NAME]`.
 *
 * Every step runs, also after one has failed: all problems are told at once.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { delimiter, join, resolve } from 'node:path';
import { parseArgs, styleText } from 'node:util';

interface Step {
  readonly name: string;
  readonly command: () => readonly string[];
}

interface Outcome {
  readonly isFine: boolean;
  readonly seconds: number;
  readonly output: string;
}

const root = resolve(import.meta.dirname, '..');
const hasColour = process.stdout.isTTY;

const listFiles = (...options: readonly string[]): string[] =>
  execFileSync('git', ['ls-files', '-z', ...options], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter(Boolean);

/** What git knows or would add, and what is really there. */
const presentFiles = (): string[] => {
  const deleted = new Set(listFiles('--deleted'));
  return listFiles('--cached', '--others', '--exclude-standard', '--deduplicate').filter(
    (path) => !deleted.has(path),
  );
};

const STEPS: readonly Step[] = [
  {
    name: 'style',
    command: () => [
      'biome',
      'ci',
      '--error-on-warnings',
      '--diagnostic-level=warn',
      '--max-diagnostics=none',
      `--colors=${hasColour ? 'force' : 'off'}`,
      '.',
    ],
  },
  { name: 'types', command: () => ['tsc', '-p', '.', ...(hasColour ? ['--pretty'] : [])] },
  {
    name: 'page',
    command: () => ['tsc', '-p', 'functions/console', ...(hasColour ? ['--pretty'] : [])],
  },
  { name: 'tidy', command: () => ['node', '.ci/tidy.ts'] },
  { name: 'lua', command: () => ['node', '.ci/embed-lua.ts', '--check'] },
  { name: 'console', command: () => ['node', '.ci/embed-console.ts', '--check'] },
  { name: 'lock', command: () => ['node', '.ci/complete-lock.ts', '--check'] },
  { name: 'unused', command: () => ['knip', '--no-progress', '--treat-config-hints-as-errors'] },
  { name: 'secrets', command: () => ['secretlint', '--no-glob', ...presentFiles()] },
];

/** The project's own tools come first. No colour variable is handed on: some tools take FORCE_COLOR=0 for a yes. */
const environment = ({ PATH = '', FORCE_COLOR: _, ...rest }: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...rest,
  PATH: [join(root, 'node_modules/.bin'), PATH].join(delimiter),
  ...(hasColour ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }),
});

const run = ({ command }: Step): Outcome => {
  const [program = '', ...parameters] = command();
  const start = performance.now();
  const done = spawnSync(program, parameters, {
    cwd: root,
    env: environment(process.env),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const seconds = (performance.now() - start) / 1000;
  const output = [done.stdout, done.stderr, done.error?.message].filter(Boolean).join('\n').trim();
  return { isFine: done.status === 0, seconds, output };
};

const show = (name: string, { isFine, seconds, output }: Outcome): void => {
  const word = isFine ? 'ok  ' : 'FAIL';
  const mark = hasColour ? styleText(isFine ? 'green' : 'red', word) : word;
  console.log(`${mark}  ${name.padEnd(8)}${seconds.toFixed(1).padStart(5)} s`);
  if (!isFine) console.log(`\n${output.replaceAll(/^(?=.)/gm, '      ')}\n`);
};

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } });
const names = STEPS.map(({ name }) => name);
const unknown = values.only?.filter((name) => !names.includes(name)) ?? [];
if (unknown.length > 0) throw new Error(`no step ${unknown.join(', ')}; there are ${names.join(', ')}`);

for (const step of STEPS.filter(({ name }) => values.only?.includes(name) ?? true)) {
  const outcome = run(step);
  show(step.name, outcome);
  if (!outcome.isFine) process.exitCode = 1;
}
