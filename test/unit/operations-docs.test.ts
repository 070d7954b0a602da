import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const docs = read('docs/operations.md');
const headings = [...docs.matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
  text
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-'),
);

test('every parameter of serverless.yml is explained', () => {
  const defaults = read('serverless.yml').split(/^ {2}(?:default|dev):$/m)[1] ?? '';
  const names = [...defaults.matchAll(/^ {4}(\w+):/gm)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(40);
  expect(names.filter((name) => !docs.includes(`\`${name}\``))).toEqual([]);
});

test('every alarm leads to what it means and what to do', () => {
  const told = [...read('infra/alarms.yml').matchAll(/docs\/operations\.md#([\w-]+)/g)].map(
    ([, anchor]) => anchor,
  );
  const named = [...read('infra/alarms.yml').matchAll(/AlarmName: \$\{self:custom\.prefix\}-([\w-]+)/g)];
  expect(told).toEqual(named.map(([, name]) => name));
  expect(told.filter((anchor) => !headings.includes(anchor ?? ''))).toEqual([]);
  // And nothing is explained that is no alarm.
  const explained = [
    ...(docs.split('\n## ').find((part) => part.startsWith('Alarms')) ?? '').matchAll(/^### (.+)$/gm),
  ];
  expect(explained.map(([, name]) => name).toSorted()).toEqual(told.toSorted());
});
