/** The functions' zips: that each holds what its handler names, is no larger than it may be, and loads by itself. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import type { Finding, Template } from './template.ts';

/**
 * What a function's zip may weigh, in kB: a fifth more than it did when this was written. A larger one takes longer to start; if
 * the reason is a good one, write the new size here.
 */
const BUDGET_KB: Readonly<Record<string, number>> = {
  orders: 780,
  sweeper: 720,
  failover: 510,
  status: 550,
  firstStep: 390,
};

/** Every module is loaded with this before it: nothing may connect, and nothing may keep the process alive. */
const OFFLINE = `
import net from 'node:net';
net.Socket.prototype.connect = () => { throw new Error('connects while it is loaded'); };
`;

export interface Bundle {
  readonly key: string;
  readonly zip: string;
  /** `functions/orders.handler` */
  readonly handler: string;
}

/** The zips that a packaged template names. */
export const bundlesOf = ({ Resources }: Template, folder: string): Bundle[] =>
  Object.values(Resources)
    .filter(({ Type }) => Type === 'AWS::Lambda::Function')
    .map(({ Properties = {} }) => {
      const file = String(Object(Properties['Code']).S3Key).split('/').at(-1) ?? '';
      return {
        key: file.replace(/\.zip$/, ''),
        zip: join(folder, file),
        handler: String(Properties['Handler']),
      };
    });

/** @param budgetKb by function; a function without one is a finding. */
export const checkSizes = (
  bundles: readonly Bundle[],
  budgetKb: Readonly<Record<string, number>> = BUDGET_KB,
): Finding[] =>
  bundles.flatMap(({ key, zip }) => {
    const sizeKb = Math.ceil(statSync(zip).size / 1000);
    const budget = budgetKb[key];
    if (budget !== undefined && sizeKb <= budget) return [];
    const right = budget === undefined ? 'a budget in .ci/bundles.ts' : `at most ${budget} kB`;
    return [{ where: key, what: `a zip of ${sizeKb} kB`, right }];
  });

/** Unpacks each zip into a folder of its own, as Lambda does, and imports its handler's module without a network. */
export const checkLoading = (bundles: readonly Bundle[], folder: string): Finding[] =>
  bundles.flatMap((bundle) => {
    const root = join(folder, bundle.key);
    unpack(bundle.zip, root);
    const [, path = '', name = ''] = /^(.+)\.(\w+)$/.exec(bundle.handler) ?? [];
    try {
      load(join(root, `${path}.mjs`), name);
      return [];
    } catch (error) {
      const { stderr = '', message } = error as Error & { readonly stderr?: string };
      return [
        {
          where: bundle.key,
          what: `does not load: ${stderr || message}`,
          right: `a ${bundle.handler} that loads`,
        },
      ];
    }
  });

const unpack = (zip: string, root: string): void => {
  for (const [name, content] of Object.entries(unzipSync(new Uint8Array(readFileSync(zip))))) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
};

const LOAD_TIMEOUT_MS = 20_000;

const load = (file: string, name: string): void => {
  const code = `const loaded = await import(${JSON.stringify(file)});
if (typeof loaded[${JSON.stringify(name)}] !== 'function') throw new Error('exports no function ${name}');`;
  const offline = `--import=data:text/javascript,${encodeURIComponent(OFFLINE)}`;
  execFileSync(process.execPath, [offline, '--input-type=module', '--eval', code], {
    encoding: 'utf8',
    env: { AWS_REGION: 'us-east-1' },
    stdio: 'pipe',
    timeout: LOAD_TIMEOUT_MS,
  });
};
