import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const files = execFileSync('git', ['ls-files', '-z', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(root, path)));

/** Without what stands in blocks of code. */
const textOf = (path: string): string =>
  readFileSync(join(root, path), 'utf8').replaceAll(/^```.*?^```/gms, '');

/** As GitHub makes them of headings; the second of the same name gets `-1`. */
const anchorsIn = (text: string): string[] => {
  const slugs = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
  return slugs.map((slug, at) => {
    const before = slugs.slice(0, at).filter((other) => other === slug).length;
    return before === 0 ? slug : `${slug}-${before}`;
  });
};

/** Links that lead nowhere in this repository. */
const deadIn = (path: string, text: string): string[] =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [file = '', anchor] = target.split('#');
      const place = file === '' ? path : normalize(join(dirname(path), file));
      if (!existsSync(join(root, place))) return true;
      return anchor !== undefined && !anchorsIn(file === '' ? text : textOf(place)).includes(anchor);
    });

describe('a link in a document leads somewhere', () => {
  test('there are documents', () => {
    expect(files).toEqual(expect.arrayContaining(['README.md', 'docs/operations.md']));
  });

  test.each(files)('%s', (path) => {
    expect(deadIn(path, textOf(path))).toEqual([]);
  });

  test('one that does not is found', () => {
    const text =
      '# A head\n[a](b.md) [b](../README.md#nowhere) [c](#a-head) [d](#a-hat) [e](https://x.example#y)';
    expect(deadIn('docs/pool.md', text)).toEqual(['b.md', '../README.md#nowhere', '#a-hat']);
  });

  test('code names only documents that there are', () => {
    const sources = execFileSync(
      'git',
      ['grep', '-hoE', 'docs/[a-z-]+\\.md(#[a-z-]+)?', '--', '*.ts', '*.yml', '*.html', ':!test'],
      { cwd: root, encoding: 'utf8' },
    );
    const named = [...new Set(sources.split('\n').filter(Boolean))];
    expect(named.length).toBeGreaterThan(10);
    expect(deadIn('README.md', named.map((name) => `[x](${name})`).join('\n'))).toEqual([]);
  });
});
