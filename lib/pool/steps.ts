import type {
  ConnectionEnd,
  Driver,
  DriverConnection,
  OpenRequest,
  OpenResult,
  ResetResult,
} from '../driver/driver.ts';

/*
 * The steps of a driver that cannot fail otherwise than the port says. A driver may be anybody's: were one of its exceptions
 * to pass, the connection would stay where it is for ever, and its lease with it.
 */

/** What an exception leaves behind is not known. */
export const openStep = async <Connection>(
  driver: Driver<Connection>,
  request: OpenRequest,
): Promise<OpenResult<Connection>> => {
  try {
    return await driver.open(request);
  } catch (thrown) {
    return { kind: 'unknown', failure: 'cut', error: asError(thrown) };
  }
};

export const checkStep = async (driver: DriverConnection<unknown>, timeoutMs: number): Promise<boolean> => {
  try {
    return await driver.check(timeoutMs);
  } catch {
    return false;
  }
};

export const resetStep = async (
  driver: DriverConnection<unknown>,
  timeoutMs: number,
): Promise<ResetResult> => {
  try {
    return await driver.reset(timeoutMs);
  } catch {
    return { isFit: false, wasInTransaction: true };
  }
};

export const closeStep = async (
  driver: DriverConnection<unknown>,
  timeoutMs: number,
): Promise<ConnectionEnd> => {
  try {
    return await driver.close(timeoutMs);
  } catch (thrown) {
    return { endSeen: false, error: asError(thrown) };
  }
};

const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error('The driver failed.', { cause: thrown });
