import type { Program } from '../local/local-service.ts';
import { readPackagedService } from '../local/packaged-service.ts';

/** What the global setup of the end-to-end tests has made for them. */
export const PACKAGE_VARIABLE = 'TEST_RUN_PACKAGE';
export const RUNTIME_VARIABLE = 'TEST_RUN_RUNTIME';
/** Why there is none. */
export const NO_PROGRAM_VARIABLE = 'TEST_RUN_NO_PROGRAM';

/** @throws Error with the reason why the package or its runtime could not be made. */
export const e2eProgram = async (): Promise<Program> => {
  const reason = process.env[NO_PROGRAM_VARIABLE];
  if (reason !== undefined) throw new Error(reason);
  const { [PACKAGE_VARIABLE]: folder, [RUNTIME_VARIABLE]: runtime } = process.env;
  if (folder === undefined || runtime === undefined)
    throw new Error('There is no package: does this jest project name its global setup?');
  return { service: await readPackagedService(folder), runtime };
};
