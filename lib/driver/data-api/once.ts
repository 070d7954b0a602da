import type { RDSDataClientConfig } from '@aws-sdk/client-rds-data';

/** A token of the SDK's retry strategies; nothing ever asks for a second attempt. */
const TOKEN = { getRetryCount: () => 0, getRetryDelay: () => 0 };

/**
 * The SDK's "standard" strategy repeats a statement after a cut connection, a time-out and any 500, 502, 503 or 504; by then it may have
 * been executed. A strategy is stronger than `maxAttempts`, AWS_MAX_ATTEMPTS and the shared configuration file.
 */
const ONCE = {
  acquireInitialRetryToken: () => Promise.resolve(TOKEN),
  refreshRetryTokenForRetry: () => Promise.reject(new Error('The SDK repeats nothing here.')),
  recordSuccess: () => undefined,
};

/** The configuration of a client that sends everything once. */
export const sendingOnce = (config: RDSDataClientConfig = {}): RDSDataClientConfig => ({
  ...config,
  maxAttempts: 1,
  retryStrategy: ONCE as unknown as NonNullable<RDSDataClientConfig['retryStrategy']>,
});
