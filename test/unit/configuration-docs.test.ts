import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { OTHER_VARIABLES, SECONDS, variableOf } from '../../lib/core/environment.ts';
import { NUMBER_OPTIONS, type NumberRule } from '../../lib/core/options.ts';
import { PROFILES, type ProfileName, profileOf } from '../../lib/core/profiles.ts';
import { SHARE_FIELDS } from '../../lib/core/share-option.ts';
import { TEXT_OPTIONS, type TextRule } from '../../lib/core/text-options.ts';

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const number = (value: number): string => value.toLocaleString('en-US');
const code = (text: unknown): string => `\`${String(text)}\``;
const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** The rows of the table whose first line holds `columns`. */
const rowsBelow = (...columns: readonly string[]): string[] => {
  const lines = read('docs/configuration.md').split('\n');
  const begin = lines.indexOf(row(...columns)) + 2;
  if (begin === 1) throw new Error(`There is no table of ${columns.join(', ')}.`);
  const end = lines.findIndex((line, at) => at >= begin && !line.startsWith('|'));
  return lines.slice(begin, end);
};

const defaultOf = (rule: NumberRule): string => {
  if (rule.default === undefined) return 'required';
  return typeof rule.default === 'number' ? number(rule.default) : (rule.defaultSays ?? '');
};

const defaultOfText = (rule: TextRule): string =>
  rule.default === undefined ? 'required' : (rule.defaultSays ?? code(rule.default));

const rightOf = (rule: TextRule): string =>
  'pattern' in rule ? rule.right : rule.choices.map(code).join(', ');

const inProfile = (option: string, name: ProfileName): string => {
  const value =
    Reflect.get(profileOf(name), option) ??
    Reflect.get({ ...NUMBER_OPTIONS, ...TEXT_OPTIONS }, option).default;
  return typeof value === 'number' ? number(value) : code(value);
};

describe('the tables in the docs are the tables in the code:', () => {
  test('words and switches', () => {
    const expected = Object.entries<TextRule>(TEXT_OPTIONS).map(([name, rule]) =>
      row(code(name), code(variableOf(name)), defaultOfText(rule), rightOf(rule), rule.doc),
    );
    expect(rowsBelow('option', 'variable', 'default', 'values', 'what it does')).toEqual(expected);
  });

  test('numbers', () => {
    const expected = Object.entries<NumberRule>(NUMBER_OPTIONS).map(([name, rule]) => {
      const range = `${number(rule.min)} to ${number(rule.max)}`;
      return row(code(name), code(variableOf(name)), rule.unit, defaultOf(rule), range, rule.doc);
    });
    expect(rowsBelow('option', 'variable', 'unit', 'default', 'range', 'what it does')).toEqual(expected);
  });

  test('profiles: everything in which one of them differs', () => {
    const names = Object.keys(PROFILES) as ProfileName[];
    const options = new Set(names.flatMap((name) => Object.keys(PROFILES[name])));
    const expected = [...options].map((option) =>
      row(code(option), ...names.map((name) => inProfile(option, name))),
    );
    expect(rowsBelow('option', ...names.map(code)).sort()).toEqual(expected.sort());
  });

  test('shares', () => {
    const expected = Object.entries(SHARE_FIELDS).map(([name, { rangeSays, doc }]) =>
      row(code(name), code(variableOf(`share.${name}`)), rangeSays, doc),
    );
    expect(rowsBelow('field', 'variable', 'range', 'what it means')).toEqual(expected);
  });

  test('variables in seconds', () => {
    const expected = Object.entries(SECONDS).map(([name, { options, doc }]) =>
      row(code(name), options.map(code).join(', '), doc),
    );
    expect(rowsBelow('variable, in seconds', 'sets', 'what it does')).toEqual(expected);
  });

  test('variables that are no options', () => {
    const expected = Object.entries(OTHER_VARIABLES).map(([name, doc]) => row(code(name), doc));
    expect(rowsBelow('variable', 'what it is')).toEqual(expected);
  });
});

test('the examples in the README are those that are compiled', () => {
  const [, facade = ''] = read('docs/example-pg-pool.ts').split(/^(?=\/\/ was: )/m);
  for (const example of [read('docs/example.ts'), facade])
    expect(read('README.md')).toContain(`\`\`\`ts\n${example}\`\`\``);
});
