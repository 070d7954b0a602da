import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { NUMBER_OPTIONS, type NumberRule } from '../../lib/core/options.ts';

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const number = (value: number): string => value.toLocaleString('en-US');

const defaultOf = (rule: NumberRule): string => {
  if (rule.default === undefined) return 'required';
  return typeof rule.default === 'number' ? number(rule.default) : (rule.defaultSays ?? '');
};

const row = ([name, rule]: [string, NumberRule]): string =>
  `| \`${name}\` | ${rule.unit} | ${defaultOf(rule)} | ${number(rule.min)} to ${number(rule.max)} | ${rule.doc} |`;

test('the table of options in the docs is the table in the code', () => {
  const expected = Object.entries<NumberRule>(NUMBER_OPTIONS).map(row).join('\n');
  expect(read('docs/configuration.md')).toContain(expected);
});

test('the example in the README is the one that is compiled', () => {
  expect(read('README.md')).toContain(`\`\`\`ts\n${read('docs/example.ts')}\`\`\``);
});
