/** What comes of one invocation. */
export type Outcome =
  | { readonly kind: 'answered'; readonly payload: string }
  /** The handler threw, or its environment did not live to answer. Nobody knows what the function did until then. */
  | { readonly kind: 'failed'; readonly error: FunctionError }
  /** Lambda never gave it to an environment. */
  | { readonly kind: 'throttled' };

export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
}

export const failed = (errorType: string, errorMessage: string): Outcome => ({
  kind: 'failed',
  error: { errorType, errorMessage },
});
