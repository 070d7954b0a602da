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
const PARTS = 'parts/';
const COMMAND = 'node .ci/embed-lua.ts';

/** `local NAME, OTHER = 1, 'text'`: names for literals. */
const CONSTANTS = /^local ([A-Z_]+(?:, [A-Z_]+)*) = ((?:\d+|'[^']*')(?:, (?:\d+|'[^']*'))*)$/gm;

const constantsIn = (text: string): (readonly [string, string])[] =>
  [...text.matchAll(CONSTANTS)].flatMap(([, names = '', values = '']) => {
    const literals = values.split(', ');
    return names.split(', ').map((name, at): [string, string] => [name, literals[at] ?? 'nil']);
  });

/**
 * The same tokens without comments, indentation and empty lines, and with each constant in the place of its name: a function of
 * Lua has 200 locals, and every one that it makes costs time in every call. Strings are copied as they are.
 */
export const stripLua = (text: string, constants: ReadonlyMap<string, string> = new Map()): string => {
  const code = text.replaceAll(CONSTANTS, '');
  const lexer = luaparse.parse({ wait: true, luaVersion: '5.1' });
  lexer.write(code);
  let stripped = '';
  let end = 0;
  for (let token = lexer.lex(); token.value !== '<eof>'; token = lexer.lex()) {
    const [start, next] = token.range;
    const gap = code.slice(end, start);
    const separator = gap.includes('\n') ? '\n' : gap && ' ';
    const word = code.slice(start, next);
    stripped += (stripped && separator) + (constants.get(word) ?? word);
    end = next;
  }
  return stripped;
};

const nameOf = (file: string): string =>
  file.replace(/\.lua$/, '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

const quoted = (name: string): string => (/^\w+$/.test(name) ? name : `'${name}'`);

const literal = (text: string): string => `\`${text.replace(/[`\\]|\$(?=\{)/g, '\\$&')}\``;

/** The parts that a script is made of, in order, as its header names them: `-- uses: keys clock ...`. */
const usesOf = (text: string): readonly string[] => /^-- uses: (.*)$/m.exec(text)?.[1]?.split(' ') ?? [];

const isPart = (file: string): boolean => file.startsWith(PARTS);
const partFile = (name: string): string => `${PARTS}${name}.lua`;

/** The TypeScript module for the Lua files of a folder, by file name. */
export const embedLua = (files: ReadonlyMap<string, string>): string => {
  const constants = new Map([...files.values()].flatMap(constantsIn));
  const stripped = new Map([...files].map(([file, text]) => [file, stripLua(text, constants)]));
  const textOf = (file: string): string => stripped.get(file) ?? '';
  const parts = [...stripped.keys()]
    .filter(isPart)
    .map((file) => `  ${quoted(file.slice(PARTS.length, -'.lua'.length))}: ${literal(textOf(file))},\n`);
  const scripts = [...files]
    .filter(([file]) => !isPart(file))
    .map(([file, text]) => {
      const uses = usesOf(text);
      const whole = [...uses.map((name) => textOf(partFile(name))), textOf(file)].join('\n');
      const sha1 = createHash('sha1').update(whole).digest('hex');
      const list = uses.map((name) => `'${name}'`).join(', ');
      const fields = `sha1: '${sha1}',\n    uses: [${list}],\n    body: ${literal(textOf(file))}`;
      return `  ${nameOf(file)}: {\n    ${fields},\n  },\n`;
    });
  return `// Generated from lua/*.lua by \`${COMMAND}\`. Do not edit.

export const PARTS = {
${parts.join('')}} as const;

/** The whole of a script is the parts that it uses, in order, and its body, joined with newlines; sha1 is that of the whole. */
export const SCRIPTS = {
${scripts.join('')}} as const;
`;
};

/** Everything that is wrong with the Lua sources. */
export const problemsIn = (folder: string, files: ReadonlyMap<string, string>): Problem[] => {
  const piece = (file: string): Piece => ({ file: join(folder, file), text: files.get(file) ?? '' });
  const bodies = [...files.keys()].filter((file) => !isPart(file));
  const missing = bodies.flatMap((file) => {
    const uses = usesOf(files.get(file) ?? '');
    const unknown = uses.filter((name) => !files.has(partFile(name)));
    const what = uses.length === 0 ? ['no part'] : unknown;
    return what.map((name) => ({
      ...at(join(folder, file)),
      what: `uses ${name}`,
      right: 'a file in parts/',
    }));
  });
  const scripts = bodies.map((file) => [...usesOf(files.get(file) ?? '').map(partFile), file].map(piece));
  const unused = [...files.keys()].filter(
    (file) => isPart(file) && !scripts.flat().some((each) => each.file === join(folder, file)),
  );
  const found = missing.length > 0 ? [] : lintLua(scripts);
  if (found.some(({ right }) => right === 'Lua 5.1')) return found;
  return [
    ...found,
    ...missing,
    ...unused.map((file) => ({
      ...at(join(folder, file)),
      what: 'is used by no script',
      right: 'remove it',
    })),
    ...bodies.map(piece).flatMap(({ file, text }) => {
      const lines = stripLua(text).split('\n').length;
      if (lines <= MAX_LINES) return [];
      const what = `has ${lines} lines of code`;
      return [{ ...at(file), what, right: `at most ${MAX_LINES}: move a piece to parts/` }];
    }),
  ];
};

const at = (file: string): { file: string; line: number } => ({ file, line: 1 });

const readLua = (folder: string): Map<string, string> => {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  const files = names.filter((name) => name.endsWith('.lua')).map((name) => name.replaceAll('\\', '/'));
  return new Map(files.toSorted().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
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
