import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE_TIMEOUT_MS = 120_000;

/** The service with a Redis and a database of its user's own; where they are, each environment is told. */
const PARAMETERS: Readonly<Record<string, string>> = {
  registry: 'registry-own',
  redisUrl: 'redis://127.0.0.1:6379',
  database: 'database-own',
  databaseAuth: 'url',
  databaseUrl: 'postgres://orders@127.0.0.1:5432/orders',
};

/** Packages the service as a deploy would, into a folder. @throws Error with what the packaging had to say. */
export const packageService = async (folder: string): Promise<void> => {
  const parameters = Object.entries(PARAMETERS).map(([name, value]) => `--param=${name}=${value}`);
  const command = ['node_modules/osls/bin/serverless.js', 'package', '--stage', 'local', ...parameters];
  try {
    await run(process.execPath, [...command, '--package', folder], {
      cwd: ROOT,
      timeout: PACKAGE_TIMEOUT_MS,
      maxBuffer: 2 ** 26,
    });
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`The service could not be packaged:\n${`${stdout}\n${stderr}`.trim() || message}`);
  }
};
