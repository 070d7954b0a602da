import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { freePort } from './kept-process.ts';

/**
 * A TCP proxy that misbehaves on command, between a client and Redis or PostgreSQL. `up` is what the client sends, `down`
 * what the server answers. A switch acts on the connections that exist and on those that come.
 */
export type Direction = 'up' | 'down' | 'both';

export interface TcpProxyOptions {
  readonly host: string;
  readonly port: number;
  /**
   * Sees every piece that a client sends. A returned buffer is forwarded in its place; an empty one forwards nothing.
   * Pieces are what the kernel delivered: small requests usually arrive whole, nothing promises it.
   */
  readonly onClientData?: (data: Buffer, link: ProxyLink) => Buffer | undefined;
  readonly onServerData?: (data: Buffer, link: ProxyLink) => Buffer | undefined;
}

/** One proxied connection, as a hook sees it. */
export interface ProxyLink {
  /** 1 for the first connection ever accepted. */
  readonly id: number;
  /** Answers the client in the server's name. */
  answer(data: Buffer): void;
  /** Ends the client's side in good order, as a server does after its last message, and drops the server's. */
  hangUp(): void;
  /** RST to both sides. */
  cut(): void;
}

export interface TcpProxyCounters {
  /** Connections accepted so far. */
  readonly accepted: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Pieces forwarded, not messages. */
  readonly piecesUp: number;
  readonly piecesDown: number;
}

export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  /** What was really forwarded, both ways. */
  readonly counters: TcpProxyCounters;
  /** Connections open now. */
  connections(): number;
  /** Everything flows again; what was held back by `stall` is delivered. */
  pass(): void;
  delay(delayMs: number, direction?: Direction): void;
  /** Accepts, and holds everything back until `pass`. */
  stall(direction?: Direction): void;
  /** Swallows everything, the end of a connection included: the network that went away without a word. */
  blackhole(direction?: Direction): void;
  /**
   * Lets requests through, swallows answers, and after `until` of them (or the one that the predicate picks) cuts that
   * connection: the server did it, and nobody heard. Then everything passes again.
   */
  dropReplies(until?: number | ((data: Buffer) => boolean)): void;
  /** Refuses new connections (ECONNREFUSED); those that exist go on. */
  refuse(): Promise<void>;
  /** Listens again on the same port. */
  accept(): Promise<void>;
  /** RST on every connection, both sides. */
  cut(): void;
  stop(): Promise<void>;
}

type Mode = 'pass' | 'stall' | 'blackhole';

/** What one direction of all connections does at the moment. */
interface Lane {
  mode: Mode;
  delayMs: number;
}

class Tally implements TcpProxyCounters {
  accepted = 0;
  bytesUp = 0;
  bytesDown = 0;
  piecesUp = 0;
  piecesDown = 0;

  count(way: 'up' | 'down', bytes: number): void {
    if (way === 'up') {
      this.bytesUp += bytes;
      this.piecesUp += 1;
    } else {
      this.bytesDown += bytes;
      this.piecesDown += 1;
    }
  }
}

/** One direction of one connection: pieces (undefined = end of the stream) wait in order until they may go. */
class Pump {
  readonly #queue: { readonly data: Buffer | undefined; readonly dueAt: number }[] = [];
  readonly #lane: Lane;
  readonly #deliver: (data: Buffer | undefined) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(lane: Lane, deliver: (data: Buffer | undefined) => void) {
    this.#lane = lane;
    this.#deliver = deliver;
  }

  push(data: Buffer | undefined): void {
    if (this.#lane.mode === 'blackhole') return;
    this.#queue.push({ data, dueAt: performance.now() + this.#lane.delayMs });
    this.flush();
  }

  flush(): void {
    clearTimeout(this.#timer);
    while (this.#lane.mode === 'pass' && this.#queue[0]) {
      const waitMs = this.#queue[0].dueAt - performance.now();
      if (waitMs > 0.5) {
        this.#timer = setTimeout(() => this.flush(), waitMs);
        return;
      }
      this.#deliver(this.#queue.shift()?.data);
    }
    if (this.#lane.mode === 'blackhole') this.#queue.length = 0;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }
}

class Link implements ProxyLink {
  readonly id: number;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #lanes: Lanes;
  readonly #up: Pump;
  readonly #down: Pump;
  readonly #onGone: () => void;
  #isOver = false;

  constructor(
    id: number,
    client: Socket,
    options: TcpProxyOptions,
    lanes: Lanes,
    tally: Tally,
    onGone: () => void,
  ) {
    this.id = id;
    this.#client = client;
    this.#lanes = lanes;
    this.#onGone = onGone;
    this.#server = createConnection({
      host: options.host,
      port: options.port,
      allowHalfOpen: true,
      noDelay: true,
    });
    this.#up = new Pump(lanes.up, (data) => this.#forward('up', this.#server, data, tally));
    this.#down = new Pump(lanes.down, (data) => this.#forward('down', this.#client, data, tally));
    this.#watch(client, this.#up, (data) => options.onClientData?.(data, this) ?? data);
    this.#watch(this.#server, this.#down, (data) => this.#reply(options.onServerData?.(data, this) ?? data));
  }

  #watch(source: Socket, pump: Pump, change: (data: Buffer) => Buffer): void {
    source.on('data', (data: Buffer) => {
      const changed = change(data);
      if (!this.#isOver && changed.length > 0) pump.push(changed);
    });
    source.on('end', () => pump.push(undefined));
    source.on('error', () => this.#onBroken());
    source.on('close', () => this.#onClosed());
  }

  /** Decides about an answer under `dropReplies`. */
  #reply(data: Buffer): Buffer {
    const dropping = this.#lanes.dropping;
    if (!dropping) return data;
    if (dropping(data)) {
      this.#lanes.dropping = undefined;
      this.cut();
    }
    return Buffer.alloc(0);
  }

  #forward(way: 'up' | 'down', sink: Socket, data: Buffer | undefined, tally: Tally): void {
    if (!sink.writable) return;
    if (data === undefined) {
      sink.end();
      return;
    }
    tally.count(way, data.length);
    sink.write(data);
  }

  /** A reset on one side is a reset on the other, unless the network is gone. */
  #onBroken(): void {
    if (this.#lanes.up.mode !== 'blackhole' && this.#lanes.down.mode !== 'blackhole') this.cut();
  }

  #onClosed(): void {
    if (this.#client.destroyed && this.#server.destroyed) this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.#up.stop();
    this.#down.stop();
    this.#onGone();
  }

  flush(): void {
    this.#up.flush();
    this.#down.flush();
  }

  answer(data: Buffer): void {
    this.#client.write(data);
  }

  hangUp(): void {
    this.#client.end();
    this.#server.destroy();
    this.#finish();
  }

  cut(): void {
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
    this.#finish();
  }
}

interface Lanes {
  readonly up: Lane;
  readonly down: Lane;
  /** Set while answers are dropped; true for the one after which the connection is cut. */
  dropping: ((data: Buffer) => boolean) | undefined;
}

const lanesOf = (lanes: Lanes, direction: Direction): Lane[] =>
  direction === 'both' ? [lanes.up, lanes.down] : [lanes[direction]];

const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });

export const startTcpProxy = async (options: TcpProxyOptions): Promise<TcpProxy> => {
  const lanes: Lanes = {
    up: { mode: 'pass', delayMs: 0 },
    down: { mode: 'pass', delayMs: 0 },
    dropping: undefined,
  };
  const links = new Set<Link>();
  const tally = new Tally();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    tally.accepted += 1;
    const link: Link = new Link(tally.accepted, client, options, lanes, tally, () => links.delete(link));
    links.add(link);
  });
  const port = await listen(server, await freePort());

  const setMode = (direction: Direction, mode: Mode): void => {
    for (const lane of lanesOf(lanes, direction)) lane.mode = mode;
    for (const link of links) link.flush();
  };
  const stopListening = async (): Promise<void> => {
    // `close` waits for the connections too; only the listener is of interest here, and that is closed at once.
    server.close();
  };

  return {
    host: '127.0.0.1',
    port,
    counters: tally,
    connections: () => links.size,
    pass: () => {
      for (const lane of lanesOf(lanes, 'both')) lane.delayMs = 0;
      lanes.dropping = undefined;
      setMode('both', 'pass');
    },
    delay: (delayMs, direction = 'both') => {
      for (const lane of lanesOf(lanes, direction)) lane.delayMs = delayMs;
      setMode(direction, 'pass');
    },
    stall: (direction = 'both') => setMode(direction, 'stall'),
    blackhole: (direction = 'both') => setMode(direction, 'blackhole'),
    dropReplies: (until = 1) => {
      let left = typeof until === 'number' ? until : 0;
      lanes.dropping = typeof until === 'function' ? until : () => --left <= 0;
    },
    refuse: stopListening,
    accept: async () => {
      if (!server.listening) await listen(server, port);
    },
    cut: () => {
      for (const link of [...links]) link.cut();
    },
    stop: async () => {
      await stopListening();
      for (const link of [...links]) link.cut();
    },
  };
};
