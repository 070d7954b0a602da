/**
 * Embeds the console's page into TypeScript: `node .ci/embed-console.ts [--check]`.
 *
 * One bundle of script, one of style, an icon and the page that names them, all carried by a module: a function that reads files
 * next to itself does not work in every bundler. Assets are named after their contents, so that a browser may keep them for ever.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { type Problem, report } from './problem.ts';

const COMMAND = 'node .ci/embed-console.ts';
const FROM = 'functions/console';
const TO = 'functions/console.generated.ts';

/** A page that somebody opens in an incident, perhaps on a telephone: bytes of everything together. */
const MAX_BYTES = 100_000;

/** The chart library's licence goes where its code goes. */
const NOTICE =
  '/*! With uPlot 1.6, Copyright (c) Leon Sorokin, MIT licence: https://github.com/leeoniya/uPlot */';

const TYPES = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

export interface Asset {
  readonly name: string;
  readonly type: string;
  readonly body: string;
}

/** `console.js` becomes `console.1a2b3c4d.js`. */
export const asset = (file: string, body: string): Asset => {
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 8);
  const ending = file.slice(file.lastIndexOf('.') + 1);
  const type = Reflect.get(TYPES, ending) as string | undefined;
  if (type === undefined) throw new Error(`No media type is known for ${file}.`);
  return { name: file.replace(/\.(\w+)$/, `.${hash}.$1`), type, body };
};

/** `{{console.js}}` becomes the name of that asset; one that nobody knows is an error. */
export const named = (page: string, names: ReadonlyMap<string, string>): string =>
  page.replaceAll(/\{\{(.+?)\}\}/g, (_, file: string) => {
    const name = names.get(file);
    if (name === undefined) throw new Error(`The page names ${file}, and there is none.`);
    return name;
  });

const bundle = async (entry: string): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [join(FROM, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['es2023', 'chrome120', 'firefox121', 'safari17.4'],
    legalComments: 'none',
    logLevel: 'silent',
    banner: { js: NOTICE, css: NOTICE },
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error(`esbuild has made nothing of ${entry}.`);
  return output.text;
};

const read = (file: string): string => readFileSync(join(FROM, file), 'utf8');

/** Only what a browser makes nothing of anyway. */
const withoutIndentation = (html: string): string => html.replaceAll(/\n\s+/g, '\n');

const embed = async (): Promise<{ readonly text: string; readonly bytes: number }> => {
  const bodies = new Map([
    ['console.js', await bundle('console.ts')],
    ['console.css', await bundle('console.css')],
    ['icon.svg', read('icon.svg').trim()],
  ]);
  const assets = new Map([...bodies].map(([file, body]) => [file, asset(file, body)]));
  const names = new Map([...assets].map(([file, { name }]) => [file, name]));
  const page = named(withoutIndentation(read('console.html')), names);
  const entries = [...assets.values()].map(
    ({ name, type, body }) => `  ['${name}', { type: '${type}', body: ${JSON.stringify(body)} }],\n`,
  );
  const text = `// Generated from ${FROM} by \`${COMMAND}\`. Do not edit.

export const PAGE = ${JSON.stringify(page)};

/** By name; a name changes with its content. */
export const ASSETS: ReadonlyMap<string, { readonly type: string; readonly body: string }> = new Map([
${entries.join('')}]);
`;
  const bytes = [page, ...bodies.values()].reduce((sum, body) => sum + Buffer.byteLength(body), 0);
  return { text, bytes };
};

const main = async (): Promise<void> => {
  process.chdir(resolve(import.meta.dirname, '..'));
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const { text, bytes } = await embed();
  if (!values.check) writeFileSync(TO, text);
  const isCurrent = existsSync(TO) && readFileSync(TO, 'utf8') === text;
  const problems: Problem[] = [];
  if (!isCurrent) problems.push({ file: TO, line: 1, what: 'is not current', right: `run: ${COMMAND}` });
  if (bytes > MAX_BYTES)
    problems.push({ file: TO, line: 1, what: `${bytes} bytes to load`, right: `at most ${MAX_BYTES}` });
  report(problems, `${TO} is current: ${bytes} bytes to load`);
};

if (import.meta.main) await main();
