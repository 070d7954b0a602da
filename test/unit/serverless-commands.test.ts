import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { REFUSED_IN_SCRIPTS, SERVERLESS_COMMANDS } from '../support/serverless-commands.ts';

const FOLDER = new URL('../../lib/registry/redis/lua/', import.meta.url);

const scripts = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.lua'))
  .map((name) => ({ name, text: readFileSync(new URL(name, FOLDER), 'utf8') }));

const CALL =
  /\b(?:redis\.(p?)call|call)\(\s*(?:'([A-Za-z]+)'(?:\s*,\s*'([A-Za-z]+)')?|(unpack\([^)]*\))|([^)]*))/g;
/** A command that is put together in a list first, and unpacked. */
const LIST = /\{\s*'([A-Z]{3,})'/g;
const CONTAINERS = new Set(['CLUSTER', 'CLIENT', 'SCRIPT', 'ACL', 'CONFIG', 'FUNCTION']);

const commandsIn = (text: string) => [
  ...[...text.matchAll(CALL)]
    .filter(([, , , , unpacked]) => unpacked === undefined)
    .map(([all, guarded, name, second, , other]) => ({
      isGuarded: guarded === 'p',
      command: name === undefined ? `${all} (${other})` : nameOf(name, second),
    })),
  ...[...text.matchAll(LIST)].map(([, name = '']) => ({ isGuarded: false, command: name })),
];

const nameOf = (name: string, second: string | undefined): string =>
  CONTAINERS.has(name.toUpperCase()) && second !== undefined
    ? `${name} ${second}`.toUpperCase()
    : name.toUpperCase();

describe('every command that a script calls', () => {
  test.each(scripts)('in $name is one that ElastiCache Serverless has', ({ text }) => {
    const unknown = commandsIn(text).filter(({ command }) => !SERVERLESS_COMMANDS.has(command));
    expect(unknown).toEqual([]);
  });

  test.each(scripts)('in $name may be refused only where it is asked with care', ({ text }) => {
    const refused = commandsIn(text).filter(({ command }) => REFUSED_IN_SCRIPTS.includes(command));
    expect(refused.filter(({ isGuarded }) => !isGuarded)).toEqual([]);
  });

  test('is found: the scripts were read', () => {
    const all = new Set(scripts.flatMap(({ text }) => commandsIn(text).map(({ command }) => command)));
    for (const command of ['HSET', 'ZADD', 'TIME', 'CLUSTER NODES', 'PUBLISH'])
      expect(all).toContain(command);
  });
});
