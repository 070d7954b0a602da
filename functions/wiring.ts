import type pg from 'pg';
import type { Environment } from '../lib/core/environment.ts';
import type { Driver } from '../lib/driver/driver.ts';
import { createPool, type Pool } from '../lib/index.ts';
import { openDatabase } from './database.ts';
import { type RegistryWiring, wireRegistry } from './registry-wiring.ts';
import { type FunctionSettings, readSettings } from './settings.ts';

/** Everything that a function is made of. Nothing of it has connected anywhere. */
export interface Wiring extends RegistryWiring {
  readonly settings: FunctionSettings;
  readonly driver: Driver<pg.Client>;
  readonly pool: Pool<pg.Client>;
}

/** @throws LeaseholdError CONFIG_INVALID with every problem of the environment at once. */
export const wire = (env: Environment): Wiring => {
  const settings = readSettings(env);
  const base = wireRegistry(env, settings);
  const { registry, logger } = base;
  const driver = openDatabase(settings.database);
  const pool = createPool({ registry, driver, env, logger });
  const close = async (): Promise<void> => {
    await pool.close();
    await base.close();
  };
  return { ...base, settings, driver, pool, close };
};

let wired: Wiring | undefined;

/** The wiring of this module instance, made at the first call: a snapshot of a loaded module is restored many times. */
export const wiring = (): Wiring => {
  wired ??= wire(process.env);
  return wired;
};
