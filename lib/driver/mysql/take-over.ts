import type { CommandQueue } from './command-queue.ts';
import type { RawConnection } from './module.ts';
import type { SessionEnd } from './session-end.ts';

/** The connection's own methods, for the driver: a facade may replace them once more. */
export interface OwnCalls {
  /** Says goodbye behind what is in flight; what waits fails. */
  quit(): unknown;
  /** Resets the session, and nothing more. */
  forget(callback: (error: unknown) => void): unknown;
}

/**
 * Puts the driver where the borrower's other calls come by. Methods of this one connection are replaced instead of listened
 * to, because a borrower may well call `removeAllListeners`. `renewed`: what a session has to be told again after the
 * borrower has reset it.
 */
export const takeOver = (
  raw: RawConnection,
  statements: CommandQueue,
  end: SessionEnd,
  renewed: () => void,
): OwnCalls => {
  const { emit, end: sayGoodbye, reset, changeUser } = raw;
  const quit = (callback?: unknown): unknown => {
    end.expected();
    statements.retire();
    return statements.own(() => sayGoodbye.call(raw, callback));
  };
  raw.emit = (event, ...values) => {
    if (event === 'error') {
      end.failed(values[0]);
      // An 'error' that nobody listens for would end the process (D8).
      if (raw.listenerCount('error') === 0) return false;
    }
    return emit.call(raw, event, ...values);
  };
  // A borrower that ends the connection ends it as always; what it still had waiting is failed, not sent.
  raw.end = quit;
  raw.reset = (callback) => {
    const command = reset.call(raw, callback);
    renewed();
    return command;
  };
  raw.changeUser = (options, callback) => {
    const command = changeUser.call(raw, options, callback);
    renewed();
    return command;
  };
  return { quit, forget: (callback) => reset.call(raw, callback) };
};
