/**
 * Embeds the Lua sources into TypeScript: `node .ci/embed-lua.ts [--check] [--from FOLDER] [--to FILE]`.
 *
 * A module that carries its scripts works in tsc's output, in every bundler and in jest; one that reads files next to itself
 * does not. Comments and indentation stay behind: Redis keeps every script in memory, and EVAL sends it over the network.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import luaparse from 'luaparse';
import { lintLua, type Piece } from './lint-lua.ts';
import { type Problem, report } from './problem.ts';

/** A transition that does not fit on a screen cannot be checked against the protocol by reading it. */
const MAX_LINES = 59;
const SHARED = ['clock.lua', 'prelude.lua'];
const COMMAND = 'node .ci/embed-lua.ts';

/** The same tokens without comments, indentation and empty lines; strings are copied as they are. */
export const stripLua = (text: string): string => {
  const lexer = luaparse.parse({ wait: true, luaVersion: '5.1' });
  lexer.write(text);
  let stripped = '';
  let end = 0;
  for (let token = lexer.lex(); token.value !== '<eof>'; token = lexer.lex()) {
    const [start, next] = token.range;
    const gap = text.slice(end, start);
    const separator = gap.includes('\n') ? '\n' : gap && ' ';
    stripped += (stripped && separator) + text.slice(start, next);
    end = next;
  }
  return stripped;
};

const nameOf = (file: string): string =>
  file.replace(/\.lua$/, '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

const literal = (text: string): string => `\`${text.replace(/[`\\]|\$(?=\{)/g, '\\$&')}\``;

/** The TypeScript module for the Lua files of a folder, by file name. */
export const embedLua = (files: ReadonlyMap<string, string>): string => {
  const stripped = new Map([...files].map(([file, text]) => [file, stripLua(text)]));
  const shared = SHARED.map((file) => stripped.get(file) ?? '');
  const scripts = [...stripped]
    .filter(([file]) => !SHARED.includes(file))
    .map(([file, body]) => {
      const sha1 = createHash('sha1')
        .update([...shared, body].join('\n'))
        .digest('hex');
      return `  ${nameOf(file)}: {\n    sha1: '${sha1}',\n    body: ${literal(body)},\n  },\n`;
    });
  return `// Generated from lua/*.lua by \`${COMMAND}\`. Do not edit.

/** The whole of a script is CLOCK, PRELUDE and a body, joined with newlines; sha1 is that of the whole. */
export const CLOCK: string = ${literal(shared[0] ?? '')};

export const PRELUDE: string = ${literal(shared[1] ?? '')};

export const SCRIPTS = {
${scripts.join('')}} as const;
`;
};

/** Everything that is wrong with the Lua sources. */
export const problemsIn = (folder: string, files: ReadonlyMap<string, string>): Problem[] => {
  const piece = (file: string): Piece => ({ file: join(folder, file), text: files.get(file) ?? '' });
  const bodies = [...files.keys()].filter((file) => !SHARED.includes(file)).map(piece);
  const missing = SHARED.filter((file) => !files.has(file));
  const found = lintLua(SHARED.filter((file) => files.has(file)).map(piece), bodies);
  if (found.some(({ right }) => right === 'Lua 5.1')) return found;
  return [
    ...found,
    ...missing.map((file) => ({
      file: join(folder, file),
      line: 1,
      what: 'is missing',
      right: `one of ${SHARED.join(', ')}`,
    })),
    ...bodies.flatMap(({ file, text }) => {
      const lines = stripLua(text).split('\n').length;
      if (lines <= MAX_LINES) return [];
      return [
        {
          file,
          line: 1,
          what: `has ${lines} lines of code`,
          right: `at most ${MAX_LINES}: move a part to the prelude`,
        },
      ];
    }),
  ];
};

const readLua = (folder: string): Map<string, string> => {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.lua')) : [];
  return new Map(names.toSorted().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
};

const main = (): void => {
  process.chdir(resolve(import.meta.dirname, '..'));
  const { values } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      from: { type: 'string', default: 'lib/registry/redis/lua' },
      to: { type: 'string', default: 'lib/registry/redis/scripts.generated.ts' },
    },
  });
  const files = readLua(values.from);
  const problems = problemsIn(values.from, files);
  const isReadable = !problems.some(({ right }) => right === 'Lua 5.1');
  if (isReadable && !values.check) writeFileSync(values.to, embedLua(files));
  const isCurrent =
    existsSync(values.to) && isReadable && readFileSync(values.to, 'utf8') === embedLua(files);
  if (isReadable && !isCurrent)
    problems.push({ file: values.to, line: 1, what: 'is not current', right: `run: ${COMMAND}` });
  report(problems, `${values.to} is current: ${files.size} Lua files`);
};

if (import.meta.main) main();
