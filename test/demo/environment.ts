/** One execution environment of a serverless function: at most one invocation at a time. */
export interface Environment {
  /** Rejects where the user would have seen an error. */
  invoke(): Promise<void>;
  close(): Promise<void>;
}
