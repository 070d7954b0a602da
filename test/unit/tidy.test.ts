import { describe, expect, test } from '@jest/globals';
import { tidy } from '../../.ci/tidy.ts';

/** What tidy says of a tree, as `file:line what`. */
const said = (tree: Readonly<Record<string, string>>): string[] =>
  tidy(new Map(Object.entries(tree))).map(({ file, line, what }) => `${file}:${line} ${what}`);

const machinePath = (folder: string): string => ['', folder, 'somebody', 'x'].join('/');
const host = (name: string): string => [name, 'org'].join('.');

describe('the rules of direction', () => {
  test.each([
    ['lib/core/a.ts', '../pool/b.ts', 'lib/core/ imports lib/pool/b.ts'],
    ['lib/core/a.ts', '../registry/registry.ts', 'lib/core/ imports lib/registry/registry.ts'],
    ['lib/registry/registry.ts', '../pool/b.ts', 'lib/registry/registry.ts imports lib/pool/b.ts'],
    ['lib/driver/driver.ts', './postgres.ts', 'lib/driver/driver.ts imports lib/driver/postgres.ts'],
    ['lib/registry/memory.ts', './redis/keys.ts', 'lib/registry/ imports lib/registry/redis/keys.ts'],
    ['lib/registry/redis/keys.ts', '../memory.ts', 'lib/registry/ imports lib/registry/memory.ts'],
    ['lib/registry/redis/keys.ts', '../../driver/driver.ts', 'lib/registry/ imports lib/driver/driver.ts'],
    ['lib/driver/postgres.ts', './mysql.ts', 'lib/driver/ imports lib/driver/mysql.ts'],
    ['lib/pool/a.ts', '../registry/memory.ts', 'lib/pool/ imports lib/registry/memory.ts'],
    ['lib/pool/a.ts', '../driver/postgres.ts', 'lib/pool/ imports lib/driver/postgres.ts'],
    ['lib/pool/a.ts', '../lambda/metrics.ts', 'lib/pool/ imports lib/lambda/metrics.ts'],
    ['lib/lambda/a.ts', '../driver/postgres.ts', 'lib/lambda/ imports lib/driver/postgres.ts'],
    ['lib/sweeper/a.ts', '../registry/redis/keys.ts', 'lib/sweeper/ imports lib/registry/redis/keys.ts'],
    ['lib/facade/a.ts', '../registry/memory.ts', 'lib/facade/ imports lib/registry/memory.ts'],
    ['lib/index.ts', '../functions/wiring.ts', 'lib/ imports functions/wiring.ts'],
    ['functions/a.ts', '../test/support/b.ts', 'functions/ imports test/support/b.ts'],
  ])('refuse that %s imports %s', (path, specifier, what) => {
    expect(said({ [path]: `// first line\nimport type { B } from '${specifier}';\n` })).toEqual([
      `${path}:2 ${what}`,
    ]);
  });

  test.each([
    ['lib/core/a.ts', './b.ts'],
    ['lib/registry/memory.ts', './memory-resource.ts'],
    ['lib/registry/redis/redis-registry.ts', './keys.ts'],
    ['lib/registry/redis/redis-registry.ts', '../registry.ts'],
    ['lib/pool/a.ts', '../driver/driver.ts'],
    ['lib/facade/a.ts', '../driver/postgres.ts'],
    ['lib/lambda/a.ts', '../pool/pool.ts'],
    ['lib/sweeper/a.ts', '../registry/registry.ts'],
    ['lib/cli/a.ts', '../registry/redis/redis-registry.ts'],
    ['functions/a.ts', '../lib/driver/postgres.ts'],
  ])('allow that %s imports %s', (path, specifier) => {
    expect(said({ [path]: `import { b } from '${specifier}';\nb();\n` })).toEqual([]);
  });

  test('count every way to import', () => {
    const ways = [
      "export { b } from '../pool/b.ts';",
      "await import('../pool/b.ts');",
      "type B = import('../pool/b.ts').B;",
    ];
    for (const way of ways)
      expect(said({ 'lib/core/a.ts': way })).toEqual(['lib/core/a.ts:1 lib/core/ imports lib/pool/b.ts']);
  });

  test('refuse a circle, and name it once', () => {
    const tree = {
      'lib/core/a.ts': "import './b.ts';",
      'lib/core/b.ts': "\nimport type { C } from './c.ts';",
      'lib/core/c.ts': "import './b.ts';",
    };
    expect(said(tree)).toEqual(['lib/core/b.ts:2 a circle: lib/core/b.ts > lib/core/c.ts > lib/core/b.ts']);
  });
});

describe('other packages', () => {
  test.each([
    ['import a package', "import { Pool } from 'pg';"],
    ['import only types by an import that stays', "import { type Pool } from 'pg';"],
    ['import a package for its effects', "import 'pg';"],
    ['import a package later', "await import('pg');"],
    ['re-export a package', "export { Pool } from 'pg';"],
  ])('are not there at run time: a driver does not %s', (_what, text) => {
    expect(said({ 'lib/driver/postgres.ts': text })).toEqual([
      'lib/driver/postgres.ts:1 imports pg at run time',
    ]);
  });

  test('lend their types to an adapter, but only one of them', () => {
    const text = "import type { Redis } from 'ioredis';\nimport type { Client } from 'pg';";
    expect(said({ 'lib/registry/redis/a.ts': text })).toEqual([
      'lib/registry/redis/a.ts:2 imports pg beside ioredis',
    ]);
  });

  test('are unknown to the pool, even as types', () => {
    expect(said({ 'lib/pool/a.ts': "import type { Client } from 'pg';" })).toEqual([
      'lib/pool/a.ts:1 imports pg',
    ]);
  });

  test('do not include what Node brings', () => {
    expect(said({ 'lib/pool/a.ts': "import { createHash } from 'node:crypto';" })).toEqual([]);
  });
});

describe('time, randomness, environment and console', () => {
  test.each([
    ['Date.now();', 'uses Date.now'],
    ['new Date();', 'uses new Date()'],
    ['performance.now();', 'uses performance'],
    ['globalThis.performance.now();', 'uses performance'],
    ['setTimeout(f, 1);', 'uses setTimeout'],
    ['const later = globalThis.setInterval;', 'uses setInterval'],
    ['queue.push(setImmediate);', 'uses setImmediate'],
    ['AbortSignal.timeout(1);', 'uses AbortSignal.timeout'],
    ["import { setTimeout } from 'node:timers/promises';", 'imports from node:timers/promises'],
    ['Math.random();', 'uses Math.random'],
    ['crypto.randomUUID();', 'uses crypto.randomUUID'],
    ['globalThis.crypto.getRandomValues(bytes);', 'uses crypto.getRandomValues'],
    ["import { createHash, randomBytes } from 'node:crypto';", 'imports from node:crypto'],
    ["import * as crypto from 'node:crypto';\ncrypto.randomInt(3);", 'uses crypto.randomInt'],
    ['const { HOME } = process.env;', 'uses process.env'],
    ["import { env } from 'node:process';", 'imports from node:process'],
    ["console.error('no');", 'uses console'],
  ])('have one home each: %s', (text, what) => {
    for (const path of ['lib/pool/a.ts', 'functions/a.ts']) {
      expect(said({ [path]: text })).toEqual([`${path}:${text.split('\n').length} ${what}`]);
    }
  });

  test.each([
    ['lib/core/clock.ts', 'setTimeout(f, Date.now() - performance.now());'],
    ['lib/core/random.ts', 'Math.random(); crypto.getRandomValues(bytes);'],
    ['functions/wiring.ts', 'read(process.env);'],
    ['lib/cli/status.ts', 'console.log(process.env);'],
    ['test/unit/a.test.ts', 'setTimeout(f, Math.random());'],
  ])('are allowed at home: %s', (path, text) => {
    expect(said({ [path]: text })).toEqual([]);
  });

  test('are not meant by a namesake, a comment or a text', () => {
    const text = `// Date.now()
      const of = (setTimeout: () => void, at: Date) => { setTimeout(); return [at, 'Math.random()', new Date(3)]; };
      of(clock.setTimeout, options.performance);`;
    expect(said({ 'lib/pool/a.ts': text })).toEqual([]);
  });
});

describe('files and names', () => {
  test.each(['utils', 'helpers', 'types', 'common', 'misc', 'constants'])(
    'a file is not called %s',
    (name) => {
      expect(said({ [`test/support/${name}.ts`]: '' })).toEqual([
        `test/support/${name}.ts:1 ${name}.ts says nothing`,
      ]);
    },
  );

  test('the only index file is the public door', () => {
    expect(said({ 'lib/index.ts': '', 'lib/pool/index.ts': '' })).toEqual([
      'lib/pool/index.ts:1 an index file',
    ]);
  });

  test('nothing re-exports all of another file', () => {
    for (const text of ["export * from './a.ts';", "export * as a from './a.ts';"]) {
      expect(said({ 'lib/index.ts': text })).toEqual(['lib/index.ts:1 re-exports all of ./a.ts']);
    }
  });

  test('a file of the library has at most 250 lines, unless it is generated', () => {
    const long = 'a();\n'.repeat(251);
    const tree = {
      'lib/a.ts': long,
      'lib/b.ts': long.slice(5),
      'lib/c.generated.ts': long,
      'test/d.ts': long,
    };
    expect(said(tree)).toEqual(['lib/a.ts:251 251 lines']);
  });

  test('there is no enum and no any', () => {
    expect(said({ 'test/a.ts': '\nenum A { B }\nlet c: any[];' })).toEqual([
      'test/a.ts:2 a TypeScript enum',
      'test/a.ts:3 the type any',
    ]);
  });

  test('a member that nobody uses is found, and being given a value is no use', () => {
    const text =
      'class A extends B {\n  a = 1;\n  b = 2;\n  c(): void { this.b = 3; }\n  #d = 4;\n  override e(): void {}\n}';
    expect(said({ 'lib/a.ts': text, 'test/a.ts': 'const { a } = new A();' })).toEqual([
      'lib/a.ts:3 nobody uses the member b',
      'lib/a.ts:4 nobody uses the member c',
    ]);
  });
});

describe('the project speaks of itself alone', () => {
  test.each(['work', 'root', 'home', 'Users'])('no file names a place under /%s of one machine', (folder) => {
    const path = machinePath(folder);
    expect(said({ 'README.md': `see\n"${path}"` })).toEqual(['README.md:2 a path of one machine']);
    expect(said({ 'README.md': `https://example.com${path} and ..${path} and frame${path}` })).toEqual([]);
  });

  test('no file names a registry of packages', () => {
    const addresses = [`//${host('registry.npmjs')}/:x`, `"http://${host('npm.corp')}:4873/a.tgz"`];
    for (const address of addresses)
      expect(said({ '.npmrc': address })).toEqual([".npmrc:1 a registry's address"]);
    expect(said({ 'README.md': 'https://www.npmjs.com/package/leasehold' })).toEqual([]);
  });

  test('no file holds a password in a URL or a private key', () => {
    const url = (password: string): string => `redis://app:${password}@cache:6379`;
    expect(said({ 'docs/a.md': url('x1') })).toEqual(['docs/a.md:1 a password in a URL']);
    const harmless = ['password', '***', '$PASSWORD', '<yours>'].map(url);
    expect(said({ 'docs/a.md': [...harmless, 'postgres://app@db:5432/x'].join('\n') })).toEqual([]);
    const key = ['-----BEGIN EC', 'PRIVATE KEY-----'].join(' ');
    expect(said({ 'test/key.pem': key })).toEqual(['test/key.pem:1 a private key']);
  });
});

test('a file that does not parse is a problem of that file', () => {
  expect(said({ 'lib/a.ts': 'let = ;', 'lib/b.ts': 'let a: any;' })).toEqual([
    'lib/a.ts:1 does not parse',
    'lib/b.ts:1 the type any',
  ]);
});

test('every problem of every file is told at once, with what would be right', () => {
  const problems = tidy(
    new Map([
      ['lib/core/a.ts', "import 'pg';\nDate.now();"],
      ['lib/pool/b.ts', 'let a: any;'],
    ]),
  );
  expect(problems).toHaveLength(3);
  for (const { right } of problems) expect(right).not.toBe('');
});
