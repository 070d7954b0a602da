import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** How it leaves when it has said everything: not at all, with a FIN, or with a reset. */
export type Leaving = 'stays' | 'ends' | 'resets';

export interface Script {
  /** Said one by one, at the connect and whenever the client has said something. */
  readonly says: readonly Uint8Array[];
  readonly leaving: Leaving;
}

/** A server on the loopback that says what a script says, whatever it is told. */
export class ScriptedServer implements AsyncDisposable {
  script: Script = { says: [], leaving: 'stays' };
  /** What it was told. */
  readonly heard: Buffer[] = [];
  readonly #server: Server;
  readonly #peers = new Set<Socket>();

  static async start(): Promise<ScriptedServer> {
    const scripted = new ScriptedServer();
    await once(scripted.#server.listen(0, '127.0.0.1'), 'listening');
    return scripted;
  }

  private constructor() {
    this.#server = createServer((peer) => this.#play(peer, this.script));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are still there. */
  get connections(): number {
    return this.#peers.size;
  }

  #play(peer: Socket, { says, leaving }: Script): void {
    const left = [...says];
    const next = (): void => {
      const said = left.shift();
      if (said !== undefined) peer.write(said);
      else if (leaving === 'ends') peer.end();
      else if (leaving === 'resets') peer.resetAndDestroy();
    };
    this.#peers.add(peer);
    peer.on('error', () => undefined).on('close', () => this.#peers.delete(peer));
    peer.on('data', (data: Buffer) => {
      this.heard.push(data);
      next();
    });
    next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    await once(this.#server.close(), 'close');
  }
}
