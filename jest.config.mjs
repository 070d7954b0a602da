import { availableParallelism } from 'node:os';

/** One jest project a kind of test, so that the inner loop (`npm test -- --selectProjects unit`) takes seconds. */
const project = (name, extra = {}) => ({
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  ...extra,
});

const withServers = {
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};

/** Most suites wait for servers most of their time; more at once than this would only wait for each other. */
const WORKERS_MAX = 4;

export default {
  // In CI one suite after the other: the servers that it has started are load enough for a small machine.
  maxWorkers: process.env.CI ? 1 : Math.min(WORKERS_MAX, Math.max(2, availableParallelism())),
  projects: [
    project('unit'),
    project('simulation'),
    project('contract', withServers),
    project('differential', withServers),
    project('integration', withServers),
    project('chaos', withServers),
    project('browser', withServers),
    project('e2e', {
      globalSetup: '<rootDir>/test/support/e2e-setup.ts',
      globalTeardown: '<rootDir>/test/support/e2e-teardown.ts',
    }),
  ],
};
