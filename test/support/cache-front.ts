import { once } from 'node:events';
import { type AddressInfo, createConnection } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';

export interface CacheFrontPlan {
  readonly target: { readonly host: string; readonly port: number };
  readonly certificate: string;
  readonly key: string;
  /** What the user's password is instead, if this one is right. */
  readonly judge: (user: string, password: string) => string | undefined;
}

/** A client begins with AUTH, or with HELLO and AUTH in it. */
const BEGINNING = /^\*[3-9]\r\n\$\d\r\n(auth|hello)\r\n/i;
const LOGIN = /auth\r\n\$\d+\r\n(?<user>[^\r]*)\r\n(?<shown>\$\d+\r\n(?<password>[^\r]*))\r\n/i;

/** TLS in front of a Redis that has none, which knows tokens where the Redis knows a password: as ElastiCache does with IAM. */
export class CacheFront implements AsyncDisposable {
  /** Passwords or tokens that were shown. */
  readonly shown: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();
  readonly #plan: CacheFrontPlan;

  static async start(plan: CacheFrontPlan): Promise<CacheFront> {
    const front = new CacheFront(plan);
    await once(front.#server.listen(0, '127.0.0.1'), 'listening');
    return front;
  }

  private constructor(plan: CacheFrontPlan) {
    this.#plan = plan;
    const { certificate: cert, key } = plan;
    this.#server = createServer({ cert, key }, (socket) => this.#serve(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #serve(socket: TLSSocket): void {
    const upstream = createConnection(this.#plan.target);
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => upstream.destroy());
    upstream.on('error', () => undefined).on('close', () => socket.destroy());
    let head = '';
    const listen = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      if (BEGINNING.test(head) && !LOGIN.test(head)) return;
      socket.off('data', listen);
      upstream.write(this.#translated(head), 'latin1');
      socket.pipe(upstream).pipe(socket);
    };
    socket.on('data', listen);
  }

  #translated(head: string): string {
    const { user = '', shown = '', password = '' } = LOGIN.exec(head)?.groups ?? {};
    if (shown === '') return head;
    this.shown.push(password);
    const known = this.#plan.judge(user, password) ?? 'wrong';
    return head.replace(shown, () => `$${known.length}\r\n${known}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server.close(), 'close');
  }
}
