/** What is used of a socket, plain or with TLS upon it. */
export interface RawStream {
  readonly connecting?: boolean;
  readonly writableEnded?: boolean;
  on(event: string, listener: (value: unknown) => void): unknown;
  end(): void;
  destroy(): void;
  resetAndDestroy?(): void;
  ref?(): unknown;
  unref?(): unknown;
}

/** Drops a connection here and now: the socket, and the TLS that was put upon it. */
export const dropStreams = (streams: readonly RawStream[]): void => {
  const [socket] = streams;
  const isReset = streams.length === 1 && socket !== undefined && reset(socket);
  if (!isReset) for (const stream of [...streams].reverse()) stream.destroy();
};

/**
 * A socket that is still connecting would be reset only after it had connected. One that is just saying its end cannot be
 * reset at all: Node would fail, and keep it, and the process with it, for ever. A unix socket knows no reset: Node throws.
 */
const reset = (socket: RawStream): boolean => {
  if (socket.resetAndDestroy === undefined || socket.connecting || socket.writableEnded) return false;
  try {
    socket.resetAndDestroy();
    return true;
  } catch {
    return false;
  }
};

/** Whether it keeps the process alive; a stream of the user's own may be unable to say, and then it does. */
export const keepStreamsAlive = (streams: readonly RawStream[], isWanted: boolean): void => {
  for (const stream of streams) {
    if (isWanted) stream.ref?.();
    else stream.unref?.();
  }
};

/** Errors of the name resolution or of `connect` itself: there never was a TCP connection. */
const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'EAI_NONAME',
  'EADDRNOTAVAIL',
  // A unix socket that is not there, or not for us.
  'ENOENT',
  'EACCES',
]);

/** Errors of an established connection. */
const CUT: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNABORTED',
  'EHOSTUNREACH',
]);

export const codeOf = (error: unknown): string => String(Reflect.get(Object(error), 'code') ?? '');

/** With several addresses Node reports one error for each: all of them must agree that nothing was connected. */
export const isUnreachable = (error: unknown): boolean => {
  const each: unknown = Reflect.get(Object(error), 'errors');
  return Array.isArray(each) && each.length > 0
    ? each.every(isUnreachable)
    : NEVER_CONNECTED.has(codeOf(error));
};

export const isCut = (code: string): boolean => CUT.has(code);

/** The certificate, or the TLS itself, was not to our mind. */
export const isTlsTrouble = (code: string): boolean =>
  /^(ERR_(TLS|SSL|OSSL)|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code);
