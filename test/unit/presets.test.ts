import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parseConfig } from '../../lib/core/config.ts';
import { PRESETS } from '../../lib/core/presets.ts';

const MINUTE_MS = 60_000;

describe('a preset', () => {
  test.each(Object.entries(PRESETS))(
    '%s is a valid configuration of any capacity that has headroom',
    (_, preset) => {
      for (const capacity of [2, 10, 5_000])
        expect(parseConfig({ resource: 'orders', capacity, ...preset }, [])).toMatchObject(preset);
    },
  );

  test.each(Object.entries(PRESETS))('%s stands in the docs with every figure', (name, preset) => {
    const docs = readFileSync(new URL('../../docs/services.md', import.meta.url), 'utf8');
    const row = docs.split('\n').find((line) => line.startsWith(`| \`${name}\` |`)) ?? '';
    const said = Object.entries(preset).map(
      ([option, value]) => `\`${option}\` ${value.toLocaleString('en-US')}`,
    );
    for (const figure of said) expect(row).toContain(figure);
    if (said.length === 0) expect(row).toContain('the defaults');
  });
});

test('a session of a Serverless database is over within a minute of its last statement, in time for the shortest pause', () => {
  const { idleMs, idleTimeoutMs, connectTimeoutMs } = parseConfig(
    { resource: 'orders', capacity: 10, ...PRESETS.auroraServerless },
    [],
  );
  expect(Math.max(idleMs, idleTimeoutMs)).toBeLessThanOrEqual(MINUTE_MS);
  expect(connectTimeoutMs).toBeGreaterThan(15_000);
});

test('a DSQL connection is never lent in the hour that the service gives it', () => {
  expect(PRESETS.auroraDsql.maxLifetimeMs).toBeLessThan(60 * MINUTE_MS);
});
