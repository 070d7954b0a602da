/** One execution environment of a serverless function: at most one invocation at a time. */
export interface Environment {
  /** Rejects where the user would have seen an error. */
  invoke(): Promise<void>;
  close(): Promise<void>;
}

/** Too many connections of the role, the database or the server; 53400 is what some services answer instead. */
const REFUSALS: ReadonlySet<unknown> = new Set(['53300', '53400']);

export const isRefusal = (error: unknown): boolean => REFUSALS.has(Reflect.get(Object(error), 'code'));
