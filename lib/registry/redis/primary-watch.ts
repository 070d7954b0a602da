import type { ScriptClient } from './batch.ts';
import { errorCode, type Script } from './script-runner.ts';

/** What of an ioredis client (5 or 6, `Redis`, with or without Sentinel, or `Cluster`) is watched. */
export interface WatchedClient extends ScriptClient {
  on(event: string, listener: () => void): unknown;
  readonly status: string;
}

/** When a look was made; counted, so that what happens meanwhile makes it an old one. */
interface Look {
  readonly connection: number;
  readonly layout: number;
}

const TRIES = 3;

/**
 * Has the registry look who its primary is, by a script over the resource's own keys, so that Sentinel, a cluster and a single
 * server need no code of their own; another primary than before makes the resource learn. The first look over a key goes out
 * right before the first script, on the same way and with nobody waiting for it: so the server has looked when the script
 * runs. After a connection was lost scripts are not sent before a look has been answered. In a cluster a look that nobody
 * awaits also follows each change of the slots. While nothing happens it costs nothing.
 *
 * A service that does not tell scripts who it is (INFO refused) is not watched.
 */
export class PrimaryWatch {
  readonly #client: WatchedClient;
  readonly #script: Script;
  readonly #looks = new Map<string, Look>();
  readonly #underWay = new Map<string, Promise<void>>();
  #connection = 0;
  #layout = 0;
  #isBlind = false;

  constructor(client: WatchedClient, script: Script) {
    this.#client = client;
    this.#script = script;
    const lost = (): void => {
      this.#connection += 1;
    };
    client.on('close', lost);
    client.on('-node', lost);
    client.on('refresh', () => {
      this.#layout += 1;
    });
  }

  /** What a script over these keys has to wait for; undefined, and so nothing, on the same connection as before. */
  before(keys: readonly string[]): Promise<void> | undefined {
    if (this.#isBlind) return undefined;
    const look = this.#looks.get(keys[0] ?? '');
    if (look !== undefined && !this.#isCurrent(look)) return this.#settle(keys);
    if (look?.layout !== this.#layout) this.#look(keys).catch(() => undefined);
    return undefined;
  }

  async #settle(keys: readonly string[]): Promise<void> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      await this.#look(keys);
      const look = this.#looks.get(keys[0] ?? '');
      if (this.#isBlind || (look !== undefined && this.#isCurrent(look))) return;
    }
    throw new Error('Who the primary is could not be found out.');
  }

  /** The event comes a tick after the loss; the status tells at once. */
  #isCurrent({ connection }: Look): boolean {
    return connection === this.#connection && this.#client.status === 'ready';
  }

  #look(keys: readonly string[]): Promise<void> {
    const key = keys[0] ?? '';
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    const look = this.#ask(key, keys).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, look);
    return look;
  }

  async #ask(key: string, keys: readonly string[]): Promise<void> {
    const [connection, layout] = [this.#connection, this.#layout];
    const reply = await this.#send(keys);
    const [first, word] = Array.isArray(reply) ? reply : [];
    this.#isBlind = word === 'blind';
    // A replica is not looked at once and for all: it may be promoted. What a newer version says, the next script hears too.
    if (word === 'known' || word === 'learning' || first === 'upgrade')
      this.#looks.set(key, { connection, layout });
  }

  async #send(keys: readonly string[]): Promise<unknown> {
    const { sha1, text } = this.#script;
    try {
      return await this.#client.evalsha(sha1, keys.length, ...keys);
    } catch (error) {
      if (errorCode(error) !== 'NOSCRIPT') throw error;
      return this.#client.eval(text, keys.length, ...keys);
    }
  }
}
