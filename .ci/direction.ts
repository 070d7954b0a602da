/** The rules of direction: which room may import which, and no circles. */
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import type { Problem } from './problem.ts';
import type { Import, Source } from './source.ts';

export type Rule = (path: string, source: Source, text: string) => Finding[];
export type Finding = Omit<Problem, 'file'>;

const PORTS = ['lib/registry/registry.ts', 'lib/driver/driver.ts'];

/** A room may import what starts with one of `may`, and of other packages nothing, types of one, or types. */
interface Room {
  readonly prefix: string;
  readonly may: readonly string[];
  readonly packages: 'none' | 'one' | 'any';
}

/** The first room whose prefix fits. */
const ROOMS: readonly Room[] = [
  { prefix: 'lib/core/', may: ['lib/core/'], packages: 'none' },
  ...PORTS.map((prefix): Room => ({ prefix, may: ['lib/core/'], packages: 'none' })),
  { prefix: 'lib/registry/', may: ['lib/core/', 'lib/registry/registry.ts'], packages: 'one' },
  {
    prefix: 'lib/driver/',
    may: ['lib/core/', 'lib/driver/driver.ts', 'lib/driver/network.ts'],
    packages: 'one',
  },
  { prefix: 'lib/pool/', may: ['lib/pool/', 'lib/core/', ...PORTS], packages: 'none' },
  { prefix: 'lib/facade/', may: ['lib/facade/', 'lib/pool/', 'lib/driver/', 'lib/core/'], packages: 'one' },
  { prefix: 'lib/lambda/', may: ['lib/lambda/', 'lib/pool/', 'lib/core/'], packages: 'any' },
  { prefix: 'lib/sweeper/', may: ['lib/sweeper/', 'lib/pool/', 'lib/core/', ...PORTS], packages: 'none' },
  { prefix: 'lib/', may: ['lib/'], packages: 'any' },
  { prefix: 'functions/', may: ['lib/', 'functions/'], packages: 'any' },
];

/** lib/registry/memory.ts and memory-resource.ts are one adapter, lib/registry/redis/ is another. */
const adapterOf = (path: string): string | undefined =>
  /^lib\/(?:registry|driver)\/[a-z0-9]+/.exec(path)?.[0];

const resolveImport = (path: string, specifier: string): string => posix.join(posix.dirname(path), specifier);
const isRelative = ({ specifier }: Import): boolean => specifier.startsWith('.');
const isPackage = (each: Import): boolean => !isRelative(each) && !isBuiltin(each.specifier);
const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
const inLib = (path: string): boolean => path.startsWith('lib/');

export const direction: Rule = (path, { imports }) => {
  const room = ROOMS.find(({ prefix }) => path.startsWith(prefix));
  if (!room) return [];
  return imports.filter(isRelative).flatMap(({ specifier, line }) => {
    const target = resolveImport(path, specifier);
    const isOwn = adapterOf(path) !== undefined && adapterOf(path) === adapterOf(target);
    if (isOwn || room.may.some((prefix) => target.startsWith(prefix))) return [];
    return [{ line, what: `${room.prefix} imports ${target}`, right: `only ${room.may.join(', ')}` }];
  });
};

export const packages: Rule = (path, { imports }) => {
  const allowed = ROOMS.find(({ prefix }) => path.startsWith(prefix))?.packages ?? 'any';
  const foreign = imports.filter(isPackage);
  const first = foreign[0] && packageOf(foreign[0].specifier);
  return foreign.flatMap(({ specifier, line, isType }) => {
    const what = `imports ${specifier}`;
    if (inLib(path) && !isType) {
      return [{ line, what: `${what} at run time`, right: '`import type`, and the instance as a parameter' }];
    }
    if (allowed === 'none')
      return [{ line, what, right: 'no package at all in this room: declare the shape it needs' }];
    if (allowed === 'one' && packageOf(specifier) !== first) {
      return [{ line, what: `${what} beside ${first}`, right: 'an adapter knows one package' }];
    }
    return [];
  });
};

/** A circle of imports, each member once, from the first path in order; undefined if `start` is in none. */
const circleFrom = (start: string, targets: ReadonlyMap<string, readonly string[]>): string[] | undefined => {
  const before = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const target of targets.get(path) ?? []) {
      if (target === start) return walkBack(path, before);
      if (before.has(target)) continue;
      before.set(target, path);
      queue.push(target);
    }
  }
  return undefined;
};

const walkBack = (path: string, before: ReadonlyMap<string, string>): string[] => {
  const previous = before.get(path);
  return previous === undefined ? [path] : [...walkBack(previous, before), path];
};

export const cycles = (sources: ReadonlyMap<string, Source>): Problem[] => {
  const targets = new Map(
    [...sources].map(([path, { imports }]) => [
      path,
      imports.filter(isRelative).map(({ specifier }) => resolveImport(path, specifier)),
    ]),
  );
  return [...sources].flatMap(([path, { imports }]) => {
    const circle = circleFrom(path, targets);
    if (!circle || circle.some((other) => other < path)) return [];
    const next = circle[1] ?? path;
    const line = imports.find(({ specifier }) => resolveImport(path, specifier) === next)?.line ?? 1;
    return [
      {
        file: path,
        line,
        what: `a circle: ${[...circle, path].join(' > ')}`,
        right: 'one direction: move what both need',
      },
    ];
  });
};
