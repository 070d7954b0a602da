/**
 * Completes package-lock.json after dependencies changed: `node .ci/complete-lock.ts [--check]`.
 *
 * npm leaves an optional platform package out of the lock when the registry of the machine that wrote it lacks that package;
 * `npm ci` then refuses the lock, and other platforms would not get theirs. So every optional dependency gets an entry. What
 * it runs on is read from its name, which needs no registry and gives the same answer everywhere; the entries that npm itself
 * wrote must agree with that reading, or the check fails.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Problem, report } from './problem.ts';

export interface LockEntry {
  readonly version?: string;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Lock {
  readonly packages: Record<string, LockEntry>;
}

const SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const PROCESSORS = 'arm arm64 ia32 loong64 mips64el ppc64 riscv64 s390x wasm32 x64'.split(' ');
const LIBRARIES: Readonly<Record<string, string>> = { gnu: 'glibc', glibc: 'glibc', musl: 'musl' };

type Platform = Pick<LockEntry, 'os' | 'cpu' | 'libc'>;

/** What a platform package runs on, read from its name; undefined if the name does not tell. */
export const platformOf = (name: string, siblings: readonly string[]): Platform | undefined => {
  const words = name.replace('windows', 'win32').split(/[/-]/);
  const os = words.find((word) => SYSTEMS.includes(word));
  const cpu = words.find((word) => PROCESSORS.includes(word));
  if (cpu === undefined || (os === undefined && cpu !== 'wasm32')) return undefined;
  const suffix = LIBRARIES[words.at(-1) ?? ''];
  const libc = suffix ?? (siblings.includes(`${name}-musl`) ? 'glibc' : undefined);
  return { ...(os && { os: [os] }), cpu: [cpu], ...(os === 'linux' && libc && { libc: [libc] }) };
};

/** The folder of a package and those above it, innermost first; the project itself is ''. */
const levelsFrom = (path: string): string[] =>
  path === ''
    ? ['']
    : [path, ...levelsFrom(path.slice(0, Math.max(0, path.lastIndexOf('node_modules/') - 1)))];

/** The place where a package at `path` finds `name`: in its own node_modules or in one further up. */
const placeOf = (lock: Lock, path: string, name: string): string | undefined =>
  levelsFrom(path)
    .map((level) => (level === '' ? `node_modules/${name}` : `${level}/node_modules/${name}`))
    .find((place) => lock.packages[place]);

interface OptionalDependency {
  readonly parent: string;
  readonly name: string;
  readonly version: string;
  readonly siblings: readonly string[];
}

const optionalDependenciesOf = (lock: Lock): OptionalDependency[] =>
  Object.entries(lock.packages).flatMap(([parent, entry]) => {
    const siblings = Object.keys(entry.optionalDependencies ?? {});
    return Object.entries(entry.optionalDependencies ?? {}).map(([name, version]) => ({
      parent,
      name,
      version,
      siblings,
    }));
  });

const isComplete = (lock: Lock, { parent, name, version }: OptionalDependency): boolean => {
  const place = placeOf(lock, parent, name);
  return place !== undefined && (!isExact(version) || lock.packages[place]?.version === version);
};

const isExact = (version: string): boolean => /^\d+\.\d+\.\d+[\w.+-]*$/.test(version);

/** The lock with an entry for every optional dependency; throws on a name or version that cannot be read. */
export const complete = (lock: Lock): Lock => {
  const packages = { ...lock.packages };
  for (const missing of optionalDependenciesOf(lock).filter((dependency) => !isComplete(lock, dependency))) {
    const { parent, name, version, siblings } = missing;
    const platform = platformOf(name, siblings);
    if (!platform || !isExact(version))
      throw new Error(`${name}@${version} (of ${parent}): add its entry by hand`);
    const top = `node_modules/${name}`;
    const entry = { version, ...platform, ...(packages[parent]?.dev && { dev: true }), optional: true };
    packages[packages[top] ? `${parent}/${top}` : top] = entry;
  }
  const [root, ...rest] = Object.entries(packages);
  const sorted = rest.toSorted(([a], [b]) => a.localeCompare(b, 'en'));
  return { ...lock, packages: Object.fromEntries(root ? [root, ...sorted] : sorted) };
};

/** Everything that keeps the lock from serving another machine. */
export const problemsOf = (text: string): Problem[] => {
  const lock: Lock = JSON.parse(text);
  const lines = text.split('\n');
  const at = (what: string): number => lines.findIndex((line) => line.includes(what)) + 1;
  const problem = (line: number, what: string, right: string): Problem => ({
    file: 'package-lock.json',
    line,
    what,
    right,
  });
  return [
    ...optionalDependenciesOf(lock)
      .filter((dependency) => !isComplete(lock, dependency))
      .map(({ name, version }) =>
        problem(at(`"${name}"`), `${name}@${version} has no entry`, 'run: node .ci/complete-lock.ts'),
      ),
    ...lines.flatMap((line, index) =>
      /"resolved":|"https?:\/\/[^"]*\.tgz/.test(line)
        ? [problem(index + 1, `an address: ${line.trim()}`, 'no addresses')]
        : [],
    ),
    ...optionalDependenciesOf(lock).flatMap((dependency) => {
      const read = platformOf(dependency.name, dependency.siblings);
      const place = placeOf(lock, dependency.parent, dependency.name);
      const entry = place === undefined ? undefined : lock.packages[place];
      if (!read || !entry || `${read.os}/${read.cpu}` === `${entry.os}/${entry.cpu}`) return [];
      return [
        problem(at(`"${place}"`), `runs on ${entry.os}/${entry.cpu}`, `its name says ${read.os}/${read.cpu}`),
      ];
    }),
  ];
};

const main = (): void => {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const path = resolve(import.meta.dirname, '../package-lock.json');
  if (!values.check)
    writeFileSync(path, `${JSON.stringify(complete(JSON.parse(readFileSync(path, 'utf8'))), null, 2)}\n`);
  report(problemsOf(readFileSync(path, 'utf8')), 'package-lock.json is complete');
};

if (import.meta.main) main();
