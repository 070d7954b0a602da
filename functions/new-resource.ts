import { type Config, settingsOf } from '../lib/core/config.ts';
import { labelPrefix } from '../lib/core/label.ts';
import type { Driver } from '../lib/driver/driver.ts';
import { openAsAdministrator } from '../lib/sweeper/lookout.ts';
import type { Wiring } from './wiring.ts';

/** A deploy's first step says that the resource is new, so that nobody's first request waits for the registry to learn. */
export interface NewResourceEvent {
  readonly isNew: true;
}

export interface ConfigureReport {
  readonly resource: string;
  readonly kind: 'created' | 'exists';
  readonly learningMs: number;
  /** False: the database shows leased sessions, or could not be asked; the registry learns what is open before it grants. */
  readonly isNew: boolean;
}

export const isNewResource = (event: unknown): event is NewResourceEvent =>
  Reflect.get(Object(event), 'isNew') === true;

/**
 * Tells the registry that nothing of the resource is open. Where the sweeper has a way to the database outside the capacity, that
 * is looked at first: after a loss of the registry's memory the word would be wrong, and the capacity would be exceeded.
 */
export const configureAsNew = async (
  { config, registry, logger }: Wiring,
  control: Driver<unknown> | undefined,
): Promise<ConfigureReport> => {
  const { resource } = config;
  const trouble = control && (await whyNotNew(config, registry.namespace, control));
  const isNew = trouble === undefined;
  const { kind, learningMs } = await registry.configure(resource, settingsOf(config), isNew);
  const report = { resource, kind, learningMs, isNew };
  if (isNew) logger.info('Configured as new', report);
  else logger.warn('Not configured as new', { ...report, trouble });
  return report;
};

const whyNotNew = async (
  config: Config,
  namespace: string,
  control: Driver<unknown>,
): Promise<string | undefined> => {
  const { resource, operationTimeoutMs } = config;
  const opened = await openAsAdministrator(config, namespace, control);
  if (opened.kind !== 'open') return `The database could not be asked: ${opened.error.message}`;
  const { connection } = opened;
  try {
    const { sessions } = await connection.census(labelPrefix(resource, namespace), operationTimeoutMs);
    return sessions.length === 0 ? undefined : `The database shows ${sessions.length} leased sessions.`;
  } catch (error) {
    return `The database's sessions could not be listed: ${error instanceof Error ? error.message : ''}`;
  } finally {
    await connection.close(operationTimeoutMs);
  }
};
