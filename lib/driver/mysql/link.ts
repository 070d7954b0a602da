import { connect } from 'node:net';
import type { RawStream } from '../network.ts';
import type { ParsedConfig } from './config.ts';
import type { SessionEnd } from './session-end.ts';

/** The user's own way to make a stream, as `mysql2` calls it. */
export type StreamMaker = (options: unknown) => RawStream;

/** Makes the stream of one connection, as `mysql2` would; its end is watched from the first instant, before `mysql2` sees it. */
export const makeStream = (
  own: StreamMaker | undefined,
  config: ParsedConfig,
  end: SessionEnd,
): StreamMaker => {
  return (options) => {
    const stream = own === undefined ? connectTo(config) : own(options);
    end.watch(stream);
    return stream;
  };
};

const connectTo = ({
  host,
  port,
  socketPath,
  enableKeepAlive,
  keepAliveInitialDelay,
}: ParsedConfig): RawStream => {
  if (socketPath !== undefined) return connect(socketPath);
  const socket = connect(port, host).setNoDelay(true);
  if (enableKeepAlive) socket.on('connect', () => socket.setKeepAlive(true, keepAliveInitialDelay));
  return socket;
};
