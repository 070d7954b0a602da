import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { startChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { ConsolePage, RESOURCE } from './console-page.ts';

jest.setTimeout(60_000);

let browser: Browser;
beforeAll(async () => {
  browser = await startChromium();
}, 300_000);
afterAll(() => browser?.close());

/** A console of a fleet with `count` leases. */
const withLeases = async (count: number): Promise<ConsolePage> => {
  const it = await ConsolePage.open(browser);
  await it.scene.start();
  for (let at = 0; at < count; at++) await it.scene.granted(`l${at}`, { holder: `${at}-holder` });
  return it;
};

describe('the numbers', () => {
  test('are the registry’s, and follow it within a poll', async () => {
    await using it = await withLeases(3);
    await it.visit();
    await it.until('#leases', '3');
    expect(await it.text('#capacity')).toBe('12');
    expect(await it.texts('#groups tr')).toEqual([expect.stringMatching(/^checkout\s+3\s+0\s+0 – ∞\s+0$/)]);
    expect(await it.texts('#holders tr')).toHaveLength(3);
    for (let at = 3; at < 10; at++) await it.scene.granted(`l${at}`, { holder: `${at}-holder` });
    await it.scene.queued('late', { group: 'mail' });
    const before = it.polls;
    await it.until('#waiters', '1');
    // The one that was under way, and the next.
    expect(it.polls - before).toBeLessThanOrEqual(2);
    expect(await it.text('#leases')).toBe('10');
    await it.until('#verdict-title', 'At capacity: 1 caller waits');
    expect(await it.texts('#groups th')).toEqual(['checkout', 'mail']);
    expect(await it.page.title()).toBe(`! 10/12 ${RESOURCE} · leasehold`);
  });

  test('tell protected, revocable and revoking apart, in the bar and in words', async () => {
    await using it = await withLeases(4);
    await it.scene.park('l0', { holder: '0-holder', session: 'server1.0' });
    await it.scene.abandon('l1', { holder: '1-holder', session: 'server1.1' });
    await it.visit();
    await it.until('#count-revoking', '1');
    expect([await it.text('#count-protected'), await it.text('#count-revocable')]).toEqual(['2', '1']);
    expect([await it.text('#count-free'), await it.text('#count-headroom')]).toEqual(['6', '2 of 2']);
    const widths = await it.evaluate<number[]>(
      `['protected', 'revocable', 'revoking', 'free', 'headroom'].map((kind) =>
         Math.round(document.getElementById('bar-' + kind).getBoundingClientRect().width))`,
    );
    const [one = 0] = [widths[2]];
    expect(widths.map((width) => Math.round(width / one))).toEqual([2, 1, 1, 6, 2]);
    expect(await it.texts('#revoking tr')).toEqual([
      expect.stringMatching(/^l1____…\s+1-hold…\s+checkout\s+not yet proven gone$/),
    ]);
  });

  test('are drawn over time, and told minute by minute in a table', async () => {
    await using it = await withLeases(5);
    await it.visit();
    await it.afterPolls(2);
    const drawn = `(() => {
      const canvas = document.querySelector('#chart-leases canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, at) => at % 4 === 3 && value > 0);
    })()`;
    expect(await it.evaluate(drawn)).toBe(true);
    await it.page.click('#minutes-of-it summary');
    await it.until('#minutes tr', /^\d\d:\d\d\s+5\s+12\s+0$/);
    await it.until('#readout', /^\d\d:\d\d:\d\d 5 of 12 connections, 0 waiting$/);
  });
});

describe('what happens', () => {
  test('is listed, the latest first, and read out where it matters', async () => {
    await using it = await withLeases(1);
    await it.visit();
    await it.until('#leases', '1');
    await it.scene.operate({ kind: 'pause', forMs: 0 });
    await it.until('#value-control', /Paused/);
    await it.scene.operate({ kind: 'resume' });
    await it.scene.resize(20, 2);
    await it.until('#capacity', '20');
    await it.scene.release('l0', { holder: '0-holder' });
    await it.until('#leases', '0');
    expect(await it.texts('#events .what')).toEqual([
      'Holder 0-hold of checkout has gone',
      'Resized: capacity 12 → 20',
      'Grants resumed',
      'Grants paused by an operator',
    ]);
    expect(await it.page.textContent('#announcer')).toMatch(/Resized: capacity 12 → 20$/);
    await it.page.uncheck('#routine');
    expect(await it.texts('#events .what:visible')).toHaveLength(3);
  });

  test('in trouble stands at the top of the page', async () => {
    await using it = await withLeases(1);
    await it.scene.fail(3);
    await it.visit();
    await it.until('#verdict-title', 'Breaker open: connects to the database fail');
    expect(await it.text('#value-breaker')).toMatch(/Open/);
    expect(await it.texts('#verdict-others li')).toEqual(['No sweeper has ever run']);
  });
});

describe('a registry', () => {
  test('that is away leaves the last numbers, says since when, and is followed again when it is back', async () => {
    await using it = await withLeases(3);
    await it.visit();
    await it.until('#leases', '3');
    await it.way.refuse();
    it.way.cut();
    await it.until('#verdict-title', /^Registry unreachable since \d\d:\d\d:\d\d$/);
    expect(await it.text('#leases')).toBe('3');
    expect(await it.page.getAttribute('body', 'data-state')).toBe('silent');
    await it.scene.granted('l3', { holder: '3-holder' });
    await it.way.accept();
    await it.until('#leases', '4');
    expect(await it.page.getAttribute('body', 'data-state')).toBe('live');
    expect((await it.texts('#events .what')).slice(0, 2)).toEqual([
      expect.stringMatching(/^Answers again, after \d+ s without$/),
      expect.stringMatching(/^Registry unreachable since/),
    ]);
    // The browser tells of every 503; nothing else went wrong.
    expect(it.complaints.filter((text) => !text.includes('503'))).toEqual([]);
  });

  test('that does not know the resource is said not to, until it does', async () => {
    await using it = await ConsolePage.open(browser);
    await it.visit();
    await it.until('#verdict-title', /^The registry does not know orders yet/);
    expect(await it.page.isVisible('#unknown')).toBe(true);
    expect(await it.page.isVisible('#fleet')).toBe(false);
    await it.scene.start();
    await it.until('#capacity', '12');
    expect(await it.page.isVisible('#unknown')).toBe(false);
    expect(await it.texts('#events .what')).toEqual(['The registry knows orders now']);
  });
});

describe('the pause button', () => {
  test('stops the questions, and asks at once when the view goes on', async () => {
    await using it = await withLeases(2);
    await it.visit();
    await it.until('#leases', '2');
    await it.page.click('#pause');
    expect(await it.text('#pause')).toBe('Resume');
    const before = it.polls;
    await it.scene.granted('l2', { holder: '2-holder' });
    // Longer than a poll; the age goes on being told.
    await it.until('#freshness', /^Paused: ([3-9]|\d\d) s old/);
    expect([it.polls, await it.text('#leases')]).toEqual([before, '2']);
    await it.page.click('#pause');
    await it.until('#leases', '3');
    expect(it.polls).toBeGreaterThan(before);
    expect(await it.text('#pause')).toBe('Pause');
  });
});

describe('the page', () => {
  test('breaks none of its strict rules, asks nobody else for anything, and works behind a stage', async () => {
    await using it = await ConsolePage.open(browser, { prefix: '/dev' });
    await it.scene.start();
    await it.scene.granted('l0');
    await it.visit();
    await it.until('#leases', '1');
    await it.page.selectOption('#window', '60');
    await it.page.click('#minutes-of-it summary');
    await it.page.hover('#chart-leases');
    await it.afterPolls(1);
    expect(await it.violations()).toEqual([]);
    expect(it.complaints).toEqual([]);
    const paths = [...new Set(it.site.requests)].map((request) => request.replace(/\.[0-9a-f]{8}\./, '.'));
    expect(paths.toSorted()).toEqual([
      'GET /dev/console',
      'GET /dev/console/console.css',
      'GET /dev/console/console.js',
      'GET /dev/console/icon.svg',
      'GET /dev/status',
    ]);
  });

  test('would be stopped, and we would hear of it, if it broke one', async () => {
    await using it = await withLeases(0);
    await it.visit();
    await it
      .evaluate(`{
      const script = document.createElement('script');
      script.src = 'https://example.com/x.js';
      try { document.body.append(script); } catch {}
      try { document.body.innerHTML = '<b>x</b>'; } catch {}
    }`)
      .catch(() => undefined);
    await eventually(async () => (await it.violations()).length > 0, { what: 'a violation' });
  });

  test('shows a name as the text that it is, whatever it looks like', async () => {
    await using it = await withLeases(0);
    const name = '<img/src=x/onerror=document.title=666>';
    await it.scene.granted('l0', { group: name, holder: '<b>bold-holder' });
    await it.visit();
    await it.until('#leases', '1');
    expect(await it.texts('#groups th')).toEqual([name]);
    expect(await it.texts('#holders th')).toEqual(['<b>bol…']);
    await it.scene.granted('l1', { group: `${name}2` });
    await it.until('#leases', '2');
    expect(await it.texts('#events .what')).toEqual([`New group: ${name}2`]);
    expect(await it.evaluate('document.querySelectorAll("main img, main b").length')).toBe(0);
    expect(await it.page.title()).toMatch(/^! 2\/12/);
    expect(await it.violations()).toEqual([]);
  });
});
