import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE_TIMEOUT_MS = 120_000;

/** Packages the service as a deploy would, into a folder. @throws Error with what the packaging had to say. */
export const packageService = async (folder: string): Promise<void> => {
  try {
    await run(process.execPath, ['node_modules/osls/bin/serverless.js', 'package', '--package', folder], {
      cwd: ROOT,
      timeout: PACKAGE_TIMEOUT_MS,
      maxBuffer: 2 ** 26,
    });
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`The service could not be packaged:\n${`${stdout}\n${stderr}`.trim() || message}`);
  }
};
