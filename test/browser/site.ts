import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { statusHandler } from '../../functions/status.ts';
import type { Registry } from '../../lib/registry/registry.ts';
import { httpEvent } from '../support/lambda.ts';

export interface Site extends AsyncDisposable {
  /** The console's address. */
  readonly url: string;
  /** Every request so far, as `GET /status`. */
  readonly requests: readonly string[];
}

interface SiteParts {
  readonly registry: Pick<Registry, 'inspect' | 'namespace'>;
  readonly resource: string;
  /** What a stage puts in front of every path, as `/dev`. */
  readonly prefix?: string;
}

/** The status function behind a web server of its own, as an HTTP API would call it. */
export const openSite = async ({ registry, resource, prefix = '' }: SiteParts): Promise<Site> => {
  const requests: string[] = [];
  const logger = { warn: () => undefined, error: () => undefined };
  const handler = statusHandler(() => ({ registry, resource, logger }));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const call = `${request.method} ${request.url}`;
    requests.push(call);
    const { statusCode = 200, headers = {}, body } = await handler(httpEvent(call));
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, String(value));
    response.writeHead(statusCode).end(body);
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${prefix}/console`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
