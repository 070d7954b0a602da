export { type ErrorCode, isLeaseholdError, LeaseholdError } from './core/errors.ts';
export { PRESETS } from './core/presets.ts';
export type { HistogramReport } from './pool/histogram.ts';
export type { Lent } from './pool/lent.ts';
export { type AcquireOptions, createPool, type Pool, type PoolStatus } from './pool/pool.ts';
export type { CloseReason, PoolEvents } from './pool/pool-events.ts';
export type { PoolLogger } from './pool/pool-log.ts';
export type { PoolOptions } from './pool/pool-options.ts';
export type { PoolStatistics } from './pool/statistics.ts';
