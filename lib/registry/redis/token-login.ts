import { connect as connectPlain, Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { RedisOptions } from 'ioredis';
import { withoutSecrets } from '../../core/errors.ts';

/** What ioredis tells a connector of the server, besides much else. */
type Target = Pick<RedisOptions, 'host' | 'port' | 'path' | 'family' | 'tls'>;

/** How ioredis logs in, as far as it is set here. */
export interface LoginOptions {
  readonly username?: string;
  readonly password?: string;
  readonly Connector?: NonNullable<RedisOptions['Connector']>;
}

/**
 * Options by which every connect of ioredis (5 or 6) logs in with a token of its own. ioredis takes the login from
 * `password` before it connects, and hands it on as it is: so it is a list of user and token, and the connector, which ioredis
 * waits for, writes the new token into it before there is a socket.
 */
export const tokenLogin = (username: string, token: () => Promise<string>): LoginOptions => {
  const login = [username, ''];

  class TokenConnector {
    readonly #target: Target;
    #isWanted = false;
    #stream: Socket | undefined;

    constructor(target: unknown) {
      this.#target = target as Target;
    }

    check(): boolean {
      return true;
    }

    async connect(): Promise<Socket> {
      this.#isWanted = true;
      try {
        login[1] = await token();
      } catch (error) {
        return this.#inVain(error);
      }
      if (!this.#isWanted) throw new Error('Connection is closed.');
      this.#stream = open(this.#target);
      return this.#stream;
    }

    /** A rejection would end the client for good. A socket that is already gone is a failed connect, which is tried again. */
    #inVain(error: unknown): Socket {
      Object.assign(this, { firstError: withoutSecrets(error) });
      return new Socket().destroy();
    }

    disconnect(): void {
      this.#isWanted = false;
      this.#stream?.end();
    }
  }

  return {
    password: login as unknown as string,
    Connector: TokenConnector as unknown as NonNullable<RedisOptions['Connector']>,
  };
};

const open = ({ host = '127.0.0.1', port = 6_379, path, family, tls }: Target): Socket => {
  const address = path === undefined ? { host, port, ...(family === undefined ? {} : { family }) } : { path };
  return tls ? connectTls({ ...address, ...tls } as ConnectionOptions) : connectPlain(address);
};
