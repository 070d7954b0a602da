import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FunctionError, failed, type Outcome } from './outcome.ts';

/** What the runtime in one environment says. */
export interface RuntimeListener {
  /** It waits for its next event, and so does every extension. */
  onWaiting(): void;
  onOutcome(requestId: string, outcome: Outcome): void;
  onInitError(error: FunctionError): void;
}

export interface RuntimeEvent {
  readonly requestId: string;
  readonly payload: string;
  readonly deadlineEpochMs: number;
  readonly functionArn: string;
}

/** Lambda's own limit of a buffered response: 6 MB. */
const RESPONSE_MAX_BYTES = 6 * 1_048_576;

const RUNTIME = '/2018-06-01/runtime';
const EXTENSION = '/2020-01-01/extension';

/**
 * Lambda's Runtime API (2018-06-01) and Extensions API (2020-01-01) as one process of an execution environment sees them: each
 * has an address of its own. An extension gets no events: ours ask for none.
 */
export class RuntimeApi {
  readonly #listener: RuntimeListener;
  readonly #server: Server;
  /** Who waits for an event: the runtime, or each of its worker threads. */
  readonly #waiting: ServerResponse[] = [];
  readonly #running = new Set<string>();
  #extensions = 0;
  #extensionsWaiting = 0;

  private constructor(listener: RuntimeListener) {
    this.#listener = listener;
    this.#server = createServer((request, response) => {
      // A connection that breaks belongs to a process that is gone, which is heard of elsewhere.
      this.#answer(request, response).catch(() => response.destroy());
    });
    // A connection may be idle for as long as a handler works.
    Object.assign(this.#server, { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 });
  }

  static async start(listener: RuntimeListener): Promise<RuntimeApi> {
    const api = new RuntimeApi(listener);
    await new Promise<void>((resolve, reject) => {
      api.#server.once('error', reject);
      api.#server.listen(0, '127.0.0.1', resolve);
    });
    return api;
  }

  /** As AWS_LAMBDA_RUNTIME_API names it. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0 && this.#extensionsWaiting >= this.#extensions;
  }

  /** Only where there is one does Lambda send a SIGTERM before it kills. */
  get hasExtension(): boolean {
    return this.#extensions > 0;
  }

  /** To one who waits; there must be one. */
  send(event: RuntimeEvent): void {
    const response = this.#waiting.shift();
    if (response === undefined) throw new Error('Nobody waits for an event.');
    this.#running.add(event.requestId);
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Lambda-Runtime-Aws-Request-Id': event.requestId,
      'Lambda-Runtime-Deadline-Ms': String(event.deadlineEpochMs),
      'Lambda-Runtime-Invoked-Function-Arn': event.functionArn,
      'Lambda-Runtime-Trace-Id': traceId(),
    });
    response.end(event.payload);
  }

  async close(): Promise<void> {
    for (const response of this.#waiting.splice(0)) response.destroy();
    this.#running.clear();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const what = `${method} ${url}`;
    if (what === `GET ${RUNTIME}/invocation/next`) return this.#next(response);
    if (what === `GET ${EXTENSION}/event/next`) return this.#nextForExtension();
    const body = await textOf(request);
    if (what === `POST ${EXTENSION}/register`) return this.#register(response);
    if (what === `POST ${RUNTIME}/init/error`) {
      reply(response, 202, { status: 'OK' });
      return this.#listener.onInitError(errorOf(body));
    }
    const [, requestId = '', word] = INVOCATION.exec(what) ?? [];
    if (word === undefined) return reply(response, 404, problem('NotFound', `No such path: ${what}`));
    this.#end(response, decodeURIComponent(requestId), word, body);
  }

  #next(response: ServerResponse): void {
    response.once('close', () => {
      const at = this.#waiting.indexOf(response);
      if (at >= 0) this.#waiting.splice(at, 1);
    });
    this.#waiting.push(response);
    if (this.isWaiting) this.#listener.onWaiting();
  }

  #nextForExtension(): void {
    this.#extensionsWaiting += 1;
    if (this.isWaiting) this.#listener.onWaiting();
  }

  #register(response: ServerResponse): void {
    this.#extensions += 1;
    response.setHeader('Lambda-Extension-Identifier', randomUUID());
    reply(response, 200, { functionVersion: '$LATEST' });
  }

  #end(response: ServerResponse, requestId: string, word: string, body: string): void {
    if (!this.#running.delete(requestId)) {
      reply(response, 400, problem('InvalidRequestID', `Not running: ${requestId}`));
      return;
    }
    const outcome = outcomeOf(word, body);
    if (outcome === undefined) reply(response, 413, problem('RequestEntityTooLarge', TOO_LARGE));
    else reply(response, 202, { status: 'OK' });
    this.#listener.onOutcome(requestId, outcome ?? failed('Function.ResponseSizeTooLarge', TOO_LARGE));
  }
}

const INVOCATION = /^POST \/2018-06-01\/runtime\/invocation\/([^/]+)\/(response|error)$/;

const TOO_LARGE = `Response payload size exceeded maximum allowed payload size (${RESPONSE_MAX_BYTES} bytes).`;

/** Undefined: an answer that Lambda does not take. */
const outcomeOf = (word: string, body: string): Outcome | undefined => {
  if (word === 'error') return { kind: 'failed', error: errorOf(body) };
  return Buffer.byteLength(body) > RESPONSE_MAX_BYTES ? undefined : { kind: 'answered', payload: body };
};

const problem = (errorType: string, errorMessage: string): FunctionError => ({ errorType, errorMessage });

const errorOf = (body: string): FunctionError => {
  try {
    const { errorType, errorMessage } = Object(JSON.parse(body)) as Partial<FunctionError>;
    return problem(errorType ?? 'Unknown', errorMessage ?? '');
  } catch {
    return problem('Unknown', body);
  }
};

const reply = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
};

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** Not sampled: there is no X-Ray here to send segments to. */
const traceId = (): string => {
  const time = Math.floor(Date.now() / 1_000).toString(16);
  const id = randomUUID().replaceAll('-', '');
  return `Root=1-${time}-${id.slice(0, 24)};Parent=${id.slice(16)};Sampled=0`;
};
