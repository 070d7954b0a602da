import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import { installPackage } from './install.ts';

const run = promisify(execFile);

/** What a browser would say to its makers, and look for on a network that a test has none of. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A headless Chromium: the one that CHROMIUM_PATH names, else the one on the PATH, else installed with apt-get. */
export const startChromium = async (): Promise<Browser> =>
  chromium.launch({ executablePath: await chromiumBinary(), args: FLAGS });

const chromiumBinary = async (): Promise<string> => {
  const { CHROMIUM_PATH: given } = process.env;
  if (given) return given;
  const present = await onPath();
  if (present) return present;
  const installed = (await installPackage('chromium')) ? await onPath() : undefined;
  if (installed) return installed;
  throw new Error('These tests need Chromium: install chromium, or name one in CHROMIUM_PATH.');
};

const onPath = async (): Promise<string | undefined> => {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    const found = await run('/bin/sh', ['-c', `command -v ${name}`]).catch(() => undefined);
    if (found) return found.stdout.trim();
  }
  return undefined;
};
