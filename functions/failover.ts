export const handler = async (): Promise<{ statusCode: number }> => ({ statusCode: 501 });

export const FAILOVER_METRICS = {
  /** Nothing is granted, because a failover has started or an operator has said so. */
  FailoverPaused: 'Count',
  /** Every connection of before is being replaced. */
  FailoverReconnected: 'Count',
  /** Granting again. */
  FailoverResumed: 'Count',
  /** Nothing is granted, and what is idle is asked to go. */
  FailoverDrained: 'Count',
  /** An event that changed nothing: foreign, unknown, a repeat, too late. */
  FailoverIgnored: 'Count',
} as const;
