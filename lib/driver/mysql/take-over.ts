import type { CommandQueue } from './command-queue.ts';
import type { RawConnection } from './module.ts';
import type { SessionEnd } from './session-end.ts';

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
): void => {
  const { emit, end: quit, reset, changeUser } = raw;
  raw.emit = (event, ...values) => {
    if (event === 'error') {
      end.failed(values[0]);
      // An 'error' that nobody listens for would end the process (D8).
      if (raw.listenerCount('error') === 0) return false;
    }
    return emit.call(raw, event, ...values);
  };
  // A borrower that ends the connection ends it as always; what it still had waiting is failed, not sent.
  raw.end = (callback) => {
    end.expected();
    statements.retire();
    return statements.own(() => quit.call(raw, callback));
  };
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
};
