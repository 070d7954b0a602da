import { acquireServers } from './shared-servers.ts';

// biome-ignore lint/style/noDefaultExport: jest takes the default export of a global hook
export default acquireServers;
