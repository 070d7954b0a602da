import type { LogLevel } from './log-level.ts';
import type { NumberOption } from './options.ts';

type Profile = Readonly<Partial<Record<NumberOption, number>>> & { readonly logLevel?: LogLevel };

/**
 * The one table of deployment profiles: each says only where it differs from the defaults, which are those of production.
 * Nothing here belongs to the resource: two stages that share a registry must not quarrel about its settings.
 */
export const PROFILES = {
  /** One person at one machine: few connections, failures within seconds, and everything told. */
  development: {
    max: 3,
    // Longer than a registry that is new keeps quiet (5 s): whoever comes first must not be refused.
    acquireTimeoutMs: 8_000,
    startupMaxWaitMs: 30_000,
    leakAfterMs: 30_000,
    logLevel: 'debug',
  },
  /** Like production, but leaks are looked for and a start fails while somebody still watches the deploy. */
  staging: { max: 5, startupMaxWaitMs: 120_000, leakAfterMs: 60_000, logLevel: 'info' },
  production: {},
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;

export const profileOf = (name: ProfileName): Profile => PROFILES[name];
