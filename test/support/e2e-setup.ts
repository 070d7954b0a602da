import { makePackageFolder, makeProgram } from '../local/local-service.ts';
import { NO_PROGRAM_VARIABLE, PACKAGE_VARIABLE, RUNTIME_VARIABLE } from './e2e-program.ts';
import { acquireServers } from './shared-servers.ts';

/** The package and its runtime are made once a run. Without them only the end-to-end tests fail, each with the reason. */
const setUp = async (): Promise<void> => {
  await acquireServers();
  const { folder } = await makePackageFolder();
  process.env[PACKAGE_VARIABLE] = folder;
  try {
    process.env[RUNTIME_VARIABLE] = (await makeProgram(folder)).runtime;
  } catch (error) {
    process.env[NO_PROGRAM_VARIABLE] = error instanceof Error ? error.message : String(error);
  }
};

// biome-ignore lint/style/noDefaultExport: jest takes the default export of a global hook
export default setUp;
