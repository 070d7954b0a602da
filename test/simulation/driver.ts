import type { Driver } from '../../lib/driver/driver.ts';
import { Attempt } from './attempt.ts';
import type { Database } from './database.ts';
import type { Machine } from './machine.ts';
import type { SimClient } from './session.ts';

/** The driver of the simulated engine on one machine. */
export const simDriver = (database: Database, machine: Machine): Driver<SimClient> => ({
  engine: 'virtual',
  open: (request) => new Promise((resolve) => new Attempt(database, machine, request, resolve)),
});
