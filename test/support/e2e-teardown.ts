import { rm } from 'node:fs/promises';
import { PACKAGE_VARIABLE } from './e2e-program.ts';
import { releaseServers } from './shared-servers.ts';

const tearDown = async (): Promise<void> => {
  const folder = process.env[PACKAGE_VARIABLE];
  if (folder) await rm(folder, { recursive: true, force: true });
  await releaseServers();
};

// biome-ignore lint/style/noDefaultExport: jest takes the default export of a global hook
export default tearDown;
