/**
 * Takes the pictures of the console for docs/: `node test/browser/pictures.ts [--to FOLDER]`. A lively fleet of eight
 * minutes in a registry in memory; the clocks of the fleet and of the page are moved together.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import type { Registry } from '../../lib/registry/registry.ts';
import { startChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { memoryHarness, type RegistryHarness } from '../support/registry-harness.ts';
import { LivelyFleet } from './lively-fleet.ts';
import { openSite } from './site.ts';

interface Picture {
  readonly name: string;
  readonly scheme: 'light' | 'dark';
  readonly width: number;
  /** What happens before the last steps. */
  readonly trouble?: (stage: Stage) => Promise<void>;
}

interface Stage {
  readonly fleet: LivelyFleet;
  readonly steps: (count: number) => Promise<void>;
  readonly goAway: (isAway: boolean) => void;
}

const SEED = 7;
const STEPS = 230;

const troubled = async ({ fleet, steps, goAway }: Stage): Promise<void> => {
  await fleet.scene.fail(4, 'auth');
  await steps(2);
  await fleet.scene.operate({ kind: 'pause', forMs: 0 });
  await steps(4);
  await fleet.scene.resize(12, 3);
  for (const _ of ['half-open again', 'open']) {
    await fleet.scene.fail(4, 'auth');
    await steps(1);
  }
  goAway(true);
  await steps(8);
};

const PICTURES: readonly Picture[] = [
  { name: 'console-light', scheme: 'light', width: 1280 },
  { name: 'console-dark', scheme: 'dark', width: 1280 },
  { name: 'console-narrow', scheme: 'light', width: 360 },
  { name: 'console-trouble', scheme: 'light', width: 1280, trouble: troubled },
  { name: 'console-trouble-dark', scheme: 'dark', width: 1280, trouble: troubled },
];

/** The sweeper ran a little while ago. */
const swept = (
  { registry }: RegistryHarness,
  away: () => boolean,
): Pick<Registry, 'inspect' | 'namespace'> => ({
  namespace: registry.namespace,
  inspect: async (resource, entries) => {
    if (away())
      throw Object.assign(new Error('away'), { name: 'LeaseholdError', code: 'REGISTRY_UNREACHABLE' });
    const report = await registry.inspect(resource, entries);
    return report && { ...report, sweep: { agoMs: 17_000, isRunning: false, lookedAgoMs: 77_000 } };
  },
});

const open = async (browser: Browser, { scheme, width }: Picture): Promise<Page> => {
  const page = await browser.newPage({
    viewport: { width, height: 1_280 },
    colorScheme: scheme,
    reducedMotion: 'reduce',
    deviceScaleFactor: 1,
  });
  await page.clock.install({ time: new Date(2026, 5, 1, 14, 0) });
  return page;
};

const take = async (browser: Browser, picture: Picture, folder: string): Promise<void> => {
  const harness = await memoryHarness();
  const fleet = new LivelyFleet(harness, SEED);
  await fleet.start();
  for (let at = 0; at < 40; at++) await fleet.step();
  let isAway = false;
  await using site = await openSite({ registry: swept(harness, () => isAway), resource: 'orders' });
  const page = await open(browser, picture);
  await page.goto(site.url);
  const answered = (): Promise<unknown> => page.waitForFunction('document.body.dataset.state');
  const steps = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) {
      await fleet.step();
      const before = site.requests.length;
      await page.clock.runFor(2_000);
      if (!isAway) await eventually(() => site.requests.length > before, { what: 'a poll' });
    }
  };
  await answered();
  await steps(STEPS);
  await fleet.mix();
  await page.clock.runFor(2_000);
  await eventually(() => page.isVisible('#key-revoking[data-none=no]'), { what: 'the mixture' });
  const { width } = picture;
  await picture.trouble?.({ fleet, steps, goAway: (value) => (isAway = value) });
  await page.screenshot({ path: join(folder, `${picture.name}.png`), fullPage: width < 600 });
  await page.close();
};

const root = resolve(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: { to: { type: 'string', default: join(root, 'docs') }, only: { type: 'string', multiple: true } },
});
const browser = await startChromium();
for (const picture of PICTURES) {
  if (values.only?.includes(picture.name) === false) continue;
  await take(browser, picture, values.to);
  console.log(`${picture.name}.png`);
}
await browser.close();
