/** `osls package`, as a deploy does it, without credentials and without a network. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Template } from './template.ts';

/** What is deployed: a stage, and what is said on the command line. */
export interface Combination {
  readonly stage: string;
  readonly params: Readonly<Record<string, string>>;
}

export interface Packaged {
  readonly template: Template;
  /** Where the template and the zips are. */
  readonly folder: string;
}

const root = resolve(import.meta.dirname, '..');
const run = promisify(execFile);
const TIMEOUT_MS = 120_000;
const CONFIG = 'serverless.yml';
const TEMPLATE = 'cloudformation-template-update-stack.json';

/** Whoever asks the network is refused at once; nobody's credentials are at hand. */
const offline = (home: string): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: home,
  HTTP_PROXY: 'http://127.0.0.1:9',
  HTTPS_PROXY: 'http://127.0.0.1:9',
  NO_COLOR: '1',
});

/**
 * osls works in the folder of its serverless.yml, and two of them in one folder spoil each other's work. It wants its own file
 * to be one; the rest may be links.
 */
const linkTree = (service: string): void => {
  mkdirSync(service, { recursive: true });
  copyFileSync(join(root, CONFIG), join(service, CONFIG));
  for (const name of readdirSync(root)) {
    if (!name.startsWith('.') && name !== CONFIG) symlinkSync(join(root, name), join(service, name));
  }
};

/**
 * Packages the service in `temp`, a folder of the caller's.
 *
 * @throws Error with `stdout` and `stderr` if osls has something against it.
 */
export const packageService = async (temp: string, { stage, params }: Combination): Promise<Packaged> => {
  const service = join(temp, 'service');
  linkTree(service);
  const options = Object.entries(params).map(([name, value]) => `--param=${name}=${value}`);
  const osls = join(service, 'node_modules/osls/bin/serverless.js');
  await run(process.execPath, [osls, 'package', '--stage', stage, ...options], {
    cwd: service,
    env: offline(temp),
    timeout: TIMEOUT_MS,
  });
  const folder = join(service, '.serverless');
  return { folder, template: JSON.parse(readFileSync(join(folder, TEMPLATE), 'utf8')) };
};
