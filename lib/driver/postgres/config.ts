import type pg from 'pg';
import { LeaseholdError } from '../../core/errors.ts';
import type { PgModule, RawClient, StartupMessage } from './client.ts';
import { needsTls } from './tls.ts';

/** What the configuration says about the session, of what the lease would say too. */
export interface OwnSettings {
  /** A `statement_timeout`, be it 0. */
  readonly hasStatementTimeout: boolean;
  /** Nothing is said about TLS, and the server is elsewhere. */
  readonly needsTls: boolean;
}

/** Checks what the user passed in; all problems in one error, and never a value that may be a secret. */
export const checkConfig = (module: PgModule, config: pg.ClientConfig): OwnSettings => {
  const given = [...moduleProblems(module), ...configProblems(config)];
  if (given.length > 0) throw unusable(given);
  const client = parsed(module, config);
  if (typeof client === 'string') throw unusable([client]);
  const startup = client.getStartupConf();
  const problems = effectiveProblems(client, startup);
  if (problems.length > 0) throw unusable(problems);
  return {
    hasStatementTimeout: hasStatementTimeout(config, startup),
    needsTls: needsTls(config, client),
  };
};

const unusable = (problems: readonly string[]): LeaseholdError =>
  new LeaseholdError('CONFIG_INVALID', `The PostgreSQL driver cannot be used: ${problems.join(' ')}`, {
    details: { problems },
  });

const moduleProblems = (module: PgModule): string[] => {
  const Client: unknown = Reflect.get(Object(module), 'Client');
  if (typeof Client !== 'function')
    return ['The first argument must be the module `pg` (it has no `Client`).'];
  const prototype: unknown = Client.prototype;
  const has = (method: string): boolean => typeof Reflect.get(Object(prototype), method) === 'function';
  if (!has('getStartupConf')) return ['`pg.native` is not supported: pass `pg` itself.'];
  if (!has('getTransactionStatus')) return ['pg 8.21 or later is needed (`Client.getTransactionStatus`).'];
  return [];
};

const configProblems = (config: pg.ClientConfig): string[] => {
  if (typeof config !== 'object' || config === null) {
    return ['The second argument must be a configuration object, such as `{ connectionString }`.'];
  }
  const problems: string[] = [];
  if (config.stream !== undefined && typeof config.stream !== 'function') {
    problems.push('`stream` must be a function: each connection needs a stream of its own.');
  }
  if ('connection' in config) {
    problems.push('`connection` cannot be shared by several connections: leave it out.');
  }
  if ('replication' in config) problems.push('`replication` connections cannot be leased.');
  return problems;
};

/** What `pg` makes of the configuration, connection string and PG* variables included; or what is wrong with it. */
const parsed = (module: PgModule, config: pg.ClientConfig): RawClient | string => {
  try {
    // Connects nowhere. Without the user's stream, which may do more than be made.
    const { stream: _, ...rest } = config;
    return new module.Client(rest) as unknown as RawClient;
  } catch (error) {
    return `The connection settings are malformed (${nameOf(error)}); their text is not repeated here.`;
  }
};

const effectiveProblems = ({ port }: RawClient, startup: StartupMessage): string[] => {
  const problems: string[] = [];
  if (!(port > 0 && port <= 65_535)) problems.push('`port` must be a number from 1 to 65535.');
  const options = String(startup.options ?? '');
  if (
    'idle_in_transaction_session_timeout' in startup ||
    /idle_(in_transaction_)?session_timeout/.test(options)
  ) {
    problems.push('The session idle timeouts belong to the lease (`idleMs`): leave them out here.');
  }
  return problems;
};

/** `pg` sends no 0; said outright, it still is the user's word. In `options` also as `--statement-timeout=…`. */
const hasStatementTimeout = (config: pg.ClientConfig, startup: StartupMessage): boolean =>
  'statement_timeout' in startup ||
  config.statement_timeout === 0 ||
  /statement[_-]timeout/i.test(String(startup.options ?? ''));

/** Not the message: what parsers complain about is often the very text. */
const nameOf = (error: unknown): string =>
  error instanceof Error ? String(Reflect.get(error, 'code') ?? error.name) : 'unknown error';
