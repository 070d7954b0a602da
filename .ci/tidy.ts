/**
 * The rules of direction and of style that no other tool knows, as one pure function over the text of the files:
 * `node .ci/tidy.ts` judges everything that git knows or would add.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { cycles, direction, packages, type Rule } from './direction.ts';
import { type Problem, report } from './problem.ts';
import { parseSource, type Source } from './source.ts';

const MAX_LINES = 250;
/** The two that a function is made in. */
const ENVIRONMENT = ['functions/first-step.ts', 'functions/wiring.ts', 'functions/registry-wiring.ts'];
const CLOCK = 'lib/core/clock.ts';
const RANDOM = 'lib/core/random.ts';
const inLib = (path: string): boolean => path.startsWith('lib/');
const inProduct = (path: string): boolean => inLib(path) || path.startsWith('functions/');
const inCli = (path: string): boolean => path.startsWith('lib/cli/');

const TIMERS = 'setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate'.split(' ');
const TIME = new Set([
  'Date.now',
  'new Date()',
  'performance',
  'process.hrtime',
  'process.uptime',
  'AbortSignal.timeout',
  ...TIMERS,
]);

/** A mention, or an import from a built-in module, that only some files may have. */
interface Reserved {
  readonly isMention: (text: string) => boolean;
  readonly isImport: (module: string, name: string) => boolean;
  readonly isHome: (path: string) => boolean;
  readonly right: string;
}

const RESERVED: readonly Reserved[] = [
  {
    isMention: (text) => TIME.has(text),
    isImport: (module) => /^(?:node:)?(?:timers|timers\/promises|perf_hooks)$/.test(module),
    isHome: (path) => path === CLOCK,
    right: `a Clock; only ${CLOCK} reads one or sets a timer`,
  },
  {
    isMention: (text) => /^(?:Math\.random|(?:crypto|webcrypto)\.(?:random|getRandom)\w*)$/.test(text),
    isImport: (module, name) =>
      /^(?:node:)?crypto$/.test(module) && /^(?:random|getRandom|webcrypto)/.test(name),
    isHome: (path) => path === RANDOM,
    right: `a Random; only ${RANDOM} makes randomness`,
  },
  {
    isMention: (text) => text === 'process.env',
    isImport: (module, name) => /^(?:node:)?process$/.test(module) && name === 'env',
    isHome: (path) => ENVIRONMENT.includes(path) || inCli(path),
    right: `an env record as a parameter; only ${ENVIRONMENT.join(', ')} and lib/cli read the environment`,
  },
  {
    isMention: (text) => text === 'console',
    isImport: (module) => /^(?:node:)?console$/.test(module),
    isHome: inCli,
    right: 'an event or a logger that was passed in',
  },
];

const reserved: Rule = (path, { mentions, imports }) => {
  if (!inProduct(path)) return [];
  return RESERVED.filter(({ isHome }) => !isHome(path)).flatMap(({ isMention, isImport, right }) => [
    ...mentions
      .filter(({ text }) => isMention(text))
      .map(({ text, line }) => ({ line, what: `uses ${text}`, right })),
    ...imports
      .filter(({ specifier, names }) => ['', ...names].some((name) => isImport(specifier, name)))
      .map(({ specifier, line }) => ({ line, what: `imports from ${specifier}`, right })),
  ]);
};

const VAGUE = /^(?:utils?|helpers?|types?|common|misc|constants?)\.[cm]?[jt]s$/;

const names: Rule = (path, { imports }) => [
  ...(VAGUE.test(basename(path))
    ? [{ line: 1, what: `${basename(path)} says nothing`, right: 'a file named after the one noun in it' }]
    : []),
  ...(/^index\.[cm]?[jt]s$/.test(basename(path)) && path !== 'lib/index.ts'
    ? [{ line: 1, what: 'an index file', right: 'no door but lib/index.ts: import the file itself' }]
    : []),
  ...imports
    .filter(({ isBarrel }) => isBarrel)
    .map(({ specifier, line }) => ({
      line,
      what: `re-exports all of ${specifier}`,
      right: 'name what is exported',
    })),
];

const language: Rule = (_path, { enums, anys }) => [
  ...enums.map((line) => ({ line, what: 'a TypeScript enum', right: 'a union of string literals' })),
  ...anys.map((line) => ({ line, what: 'the type any', right: 'unknown, or the type it is' })),
];

const length: Rule = (path, _source, text) => {
  const lines = text.trimEnd().split('\n').length;
  if (!inLib(path) || lines <= MAX_LINES) return [];
  return [
    {
      line: MAX_LINES + 1,
      what: `${lines} lines`,
      right: `at most ${MAX_LINES}: find the second noun in it`,
    },
  ];
};

const RULES: readonly Rule[] = [direction, packages, reserved, names, language, length];

/** Called by the language or by other libraries. */
const WELL_KNOWN = new Set([
  'toString',
  'toJSON',
  'then',
  'next',
  'return',
  'name',
  'message',
  'stack',
  'cause',
]);

/** Class members that nothing anywhere reads or calls: by name, so a namesake elsewhere hides one. */
const unusedMembers = (sources: ReadonlyMap<string, Source>): Problem[] => {
  const used = new Set([...sources.values()].flatMap(({ uses }) => [...uses]));
  return [...sources].flatMap(([file, { members }]) =>
    members
      .filter(({ name }) => !used.has(name) && !WELL_KNOWN.has(name))
      .map(({ name, line }) => ({
        file,
        line,
        what: `nobody uses the member ${name}`,
        right: 'remove it, or test it',
      })),
  );
};

/** What no line of any file may hold, whatever its language. */
interface Forbidden {
  readonly pattern: RegExp;
  readonly what: string;
  readonly right: string;
}

const FORBIDDEN: readonly Forbidden[] = [
  {
    // Not part of a longer path or of an address.
    pattern: /(?<![\w.~}*-])\/(?:work|root|home|Users)\//,
    what: 'a path of one machine',
    right: 'a path relative to the project',
  },
  {
    // The public registries by name, and whatever serves packages over HTTP; pages that describe a package are fine.
    pattern:
      /registry\.(?:npmjs|yarnpkg|npmmirror)\.|https?:\/\/(?!(?:www|docs)\.npmjs\.com)[^\s/"'`]*(?:registry|npm|artifactory)[^\s/"'`]*/,
    what: "a registry's address",
    right: "whatever the user's npm is set to",
  },
  {
    // Also the schemes and the lengths that secretlint lets pass. A variable or the word itself is no password.
    pattern: /\b[a-z][\w+.-]*:\/\/[^\s/:@'"`]*:(?!(?:password|secret|\*+)@)[^\s/@'"`${}<>]+@/i,
    what: 'a password in a URL',
    right: 'one made at run time, or the word "password"',
  },
  {
    pattern: /-----BEGIN [A-Z ]*PRIVATE KEY/,
    what: 'a private key',
    right: 'one made at run time',
  },
];

/** The project speaks of itself alone, not of the machine that it was made on, and it keeps no secret. */
const lineByLine = (file: string, text: string): Problem[] =>
  text.split('\n').flatMap((content, index) =>
    FORBIDDEN.filter(({ pattern }) => pattern.test(content)).map(({ what, right }) => ({
      file,
      line: index + 1,
      what,
      right,
    })),
  );

const isSource = (path: string): boolean => /\.[cm]?[jt]s$/.test(path) && !path.includes('.generated.');

const parseAll = (
  files: ReadonlyMap<string, string>,
): { sources: Map<string, Source>; unreadable: Problem[] } => {
  const sources = new Map<string, Source>();
  const unreadable: Problem[] = [];
  for (const [file, text] of files) {
    if (!isSource(file)) continue;
    try {
      sources.set(file, parseSource(text));
    } catch (error) {
      const right = String(error).split('\n', 1)[0] ?? '';
      unreadable.push({ file, line: 1, what: 'does not parse', right });
    }
  }
  return { sources, unreadable };
};

/** Everything that is wrong in a tree of files, given as texts by path. */
export const tidy = (files: ReadonlyMap<string, string>): Problem[] => {
  const { sources, unreadable } = parseAll(files);
  return [
    ...unreadable,
    ...[...sources].flatMap(([file, source]) =>
      RULES.flatMap((rule) => rule(file, source, files.get(file) ?? '')).map((finding) => ({
        file,
        ...finding,
      })),
    ),
    ...cycles(sources),
    ...unusedMembers(sources),
    ...[...files].flatMap(([file, text]) => lineByLine(file, text)),
  ];
};

const readTree = (root: string): Map<string, string> => {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const paths = [...new Set(listed.split('\0'))].filter((path) => path && existsSync(join(root, path)));
  const texts = paths.map((path) => [path, readFileSync(join(root, path), 'utf8')] as const);
  return new Map(texts.filter(([, text]) => !text.includes('\0')));
};

if (import.meta.main) {
  const files = readTree(resolve(import.meta.dirname, '..'));
  report(tidy(files), `${files.size} files are tidy`);
}
