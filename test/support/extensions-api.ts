import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** How Lambda answers a registration: as documented, with a refusal, or not at all. */
export type Registering = 'accepts' | 'refuses' | 'is silent';

/** Lambda's Extensions API of one execution environment; nobody ever gets an event, for nobody asks for one. */
export class ExtensionsApi implements AsyncDisposable {
  readonly calls: ApiCall[] = [];
  readonly #registering: Registering;
  readonly #server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { method = '', url: path = '', headers } = request;
    this.calls.push({ method, path, headers, body });
    if (path === '/2020-01-01/extension/register') this.#register(response);
  });

  private constructor(registering: Registering) {
    this.#registering = registering;
  }

  static async start(registering: Registering = 'accepts'): Promise<ExtensionsApi> {
    const api = new ExtensionsApi(registering);
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  /** As AWS_LAMBDA_RUNTIME_API names it. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #register(response: ServerResponse): void {
    if (this.#registering === 'is silent') return;
    if (this.#registering === 'refuses') {
      response.writeHead(403, { 'Content-Type': 'application/json' });
      response.end('{"errorType":"Extension.RegistrationForbidden"}');
      return;
    }
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Lambda-Extension-Identifier': 'f5a1c0de-0000-4000-8000-000000000001',
    });
    response.end('{"functionName":"orders-api","functionVersion":"$LATEST","handler":"index.handler"}');
  }
}
