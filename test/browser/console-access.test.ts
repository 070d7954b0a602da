import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { startChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { ConsolePage } from './console-page.ts';

jest.setTimeout(60_000);

let browser: Browser;
beforeAll(async () => {
  browser = await startChromium();
}, 300_000);
afterAll(() => browser?.close());

type Options = Parameters<typeof ConsolePage.open>[1];

const LONG = 'a-group-whose-name-is-as-long-as-a-name-may-be-'.repeat(3).slice(0, 128);

/** A console with something in every table. */
const busy = async (options: Options = {}): Promise<ConsolePage> => {
  const it = await ConsolePage.open(browser, options);
  await it.scene.start();
  await it.scene.share(LONG, { min: 1, max: 5, priority: 3 });
  for (let at = 0; at < 9; at++)
    await it.scene.granted(`l${at}`, { holder: `${at}-holder`, group: at % 3 === 0 ? LONG : 'checkout' });
  await it.scene.abandon('l1', { holder: '1-holder', session: 'server1.1' });
  await it.scene.park('l2', { holder: '2-holder', session: 'server1.2' });
  await it.visit();
  await it.until('#count-revoking', '1');
  return it;
};

const trouble = async (it: ConsolePage): Promise<void> => {
  await it.scene.operate({ kind: 'pause', forMs: 0 });
  await it.scene.fail(3);
  await it.scene.resize(4, 1);
  await it.until('#value-debt', /\d/);
};

const WIDTHS = { wide: { width: 1280, height: 900 }, narrow: { width: 360, height: 740 } } as const;

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  test.each(['wide', 'narrow'] as const)('nothing bars the way of anybody, %s', async (width) => {
    await using it = await busy({ colorScheme, viewport: WIDTHS[width] });
    await it.page.click('#minutes-of-it summary');
    expect(await it.barriers()).toEqual([]);
    await trouble(it);
    expect(await it.barriers()).toEqual([]);
    await it.way.refuse();
    it.way.cut();
    await it.until('#verdict-title', /^Registry unreachable/);
    expect(await it.barriers()).toEqual([]);
  });
});

test('nothing bars the way while nothing is known', async () => {
  await using it = await ConsolePage.open(browser);
  await it.visit();
  await it.until('#verdict-title', /does not know/);
  expect(await it.barriers()).toEqual([]);
});

test('light and dark follow the system, also while the page is open', async () => {
  await using it = await busy({ colorScheme: 'light' });
  const ground = (): Promise<string> => it.evaluate('getComputedStyle(document.body).backgroundColor');
  const ink = (): Promise<string> =>
    it.evaluate(`(() => {
      const canvas = document.querySelector('#chart-leases canvas');
      return String(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.reduce((sum, value) => (sum * 31 + value) % 1e9, 0));
    })()`);
  await it.page.click('#pause');
  const [lightGround, lightInk] = [await ground(), await ink()];
  await it.page.emulateMedia({ colorScheme: 'dark' });
  expect([lightGround, await ground()]).toEqual(['rgb(243, 245, 247)', 'rgb(16, 22, 28)']);
  await eventually(async () => (await ink()) !== lightInk, { what: 'a chart in other colours' });
});

test('what moves holds still for those who want it so', async () => {
  await using it = await busy({ reducedMotion: 'reduce' });
  const moving = `document.getAnimations().length + Number(getComputedStyle(document.getElementById('bar-free')).transitionDuration !== '0s')`;
  expect(await it.evaluate(moving)).toBe(0);
});

test('a screen of 360 pixels is wide enough, in trouble, too', async () => {
  await using it = await busy({ viewport: WIDTHS.narrow });
  const width = (): Promise<number> => it.evaluate('document.documentElement.scrollWidth');
  expect(await width()).toBe(360);
  await it.page.click('#minutes-of-it summary');
  await trouble(it);
  expect(await width()).toBe(360);
});

describe('the keyboard', () => {
  test('reaches everything that can be used, in the order of the page', async () => {
    await using it = await busy();
    const reached: string[] = [];
    for (let at = 0; at < 12; at++) {
      await it.page.keyboard.press('Tab');
      reached.push(
        await it.evaluate(
          `(() => { const it = document.activeElement; return it.id || it.getAttribute('aria-label') || it.innerText })()`,
        ),
      );
    }
    const expected = [
      'Skip to the numbers',
      'pause',
      'window',
      'The same as a table',
      'routine',
      'Settings in force',
      'The same as JSON',
    ];
    expect(reached.filter((name) => expected.includes(name))).toEqual(expect.arrayContaining(expected));
    expect(reached.slice(0, 4)).toEqual(expected.slice(0, 4));
  });

  test('skips to the numbers, pauses, and keeps its place while the page is refreshed', async () => {
    await using it = await busy();
    await it.page.keyboard.press('Tab');
    await it.page.keyboard.press('Enter');
    expect(await it.evaluate('document.activeElement.id')).toBe('main');
    await it.page.focus('#window');
    await it.scene.granted('late', { group: 'new' });
    await it.afterPolls(2);
    expect(await it.evaluate('document.activeElement.id')).toBe('window');
    await it.page.focus('#pause');
    await it.page.keyboard.press('Space');
    expect(await it.text('#pause')).toBe('Resume');
    expect(await it.evaluate('document.activeElement.id')).toBe('pause');
  });

  test('can scroll what is larger than its frame, and has no stop at what is not', async () => {
    await using it = await busy({ viewport: WIDTHS.narrow });
    const stops = (): Promise<string[]> =>
      it.evaluate(`[...document.querySelectorAll('.scroll')]
        .filter((frame) => frame.tabIndex === 0).map((frame) => frame.dataset.label)`);
    const larger = (): Promise<string[]> =>
      it.evaluate(`[...document.querySelectorAll('.scroll')]
        .filter((frame) => frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight)
        .map((frame) => frame.dataset.label)`);
    expect(await stops()).toEqual(await larger());
    expect((await stops()).length).toBeGreaterThan(0);
    expect((await stops()).length).toBeLessThan(5);
  });
});
