import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deferred } from './deferred.ts';
import { busy, type HttpAnswer, httpAnswer, notFound } from './http-answer.ts';
import { type HttpRequest, httpEvent } from './http-event.ts';
import type { Listen } from './local-event.ts';
import type { Outcome } from './outcome.ts';
import type { PackagedRoute } from './packaged-service.ts';
import { matchRoute } from './routes.ts';

export interface FrontPlan {
  readonly routes: readonly PackagedRoute[];
  readonly invoke: (functionKey: string, event: unknown) => Promise<Outcome>;
  /** Paths of the local Lambda itself. Undefined: not one of them. */
  readonly admin: (method: string, path: string) => HttpAnswer | undefined;
  readonly listen: Listen;
}

/** An HTTP API waits no longer for an integration, in ms. */
const INTEGRATION_TIMEOUT_MS = 30_000;

/** API Gateway's part: an HTTP API in front of the functions, with the routes of the packaged template. */
export class HttpFront {
  readonly #plan: FrontPlan;
  readonly #server: Server;

  private constructor(plan: FrontPlan) {
    this.#plan = plan;
    this.#server = createServer((request, response) => {
      this.#onRequest(request, response).catch(() => response.destroy());
    });
  }

  static async listen(port: number, plan: FrontPlan): Promise<HttpFront> {
    const front = new HttpFront(plan);
    await new Promise<void>((resolve, reject) => {
      front.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          error.code === 'EADDRINUSE'
            ? new Error(`Port ${port} is in use: choose another with --port.`)
            : error,
        ),
      );
      front.#server.listen(port, '127.0.0.1', resolve);
    });
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #onRequest(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    const request: HttpRequest = {
      method: incoming.method ?? 'GET',
      target: incoming.url ?? '/',
      headers: incoming.headers,
      body: await bodyOf(incoming),
      sourceIp: incoming.socket.remoteAddress ?? '',
    };
    const path = request.target.split('?')[0] ?? '/';
    const { status, headers, body } = await this.#answer(request, path);
    for (const [name, value] of headers) response.appendHeader(name, value);
    response.writeHead(status, { 'content-length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
    const ms = Math.round(performance.now() - startedAt);
    this.#plan.listen({ kind: 'request', method: request.method, path, status, ms });
  }

  async #answer(request: HttpRequest, path: string): Promise<HttpAnswer> {
    const { routes, invoke, admin } = this.#plan;
    const own = admin(request.method, path);
    if (own !== undefined) return own;
    const match = matchRoute(routes, request.method, path);
    if (match === undefined) return notFound();
    const { promise: late, resolve } = deferred<HttpAnswer>();
    const bound = setTimeout(() => resolve(busy('timed out')), INTEGRATION_TIMEOUT_MS);
    const outcome = invoke(match.route.functionKey, httpEvent(request, match));
    const answer = await Promise.race([outcome.then(httpAnswer), late]);
    clearTimeout(bound);
    return answer;
  }
}

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};
