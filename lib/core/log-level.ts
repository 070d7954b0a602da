/** From nothing to everything: each level also says what the ones before it say. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** The level of one record. */
export type RecordLevel = Exclude<LogLevel, 'silent'>;

/** Whether a record of `level` is written where `limit` is what is wanted. */
export const isLogged = (level: RecordLevel, limit: LogLevel): boolean =>
  LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(limit);
