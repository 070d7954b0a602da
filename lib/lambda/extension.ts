import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Clock } from '../core/clock.ts';

/** Any name will do for an extension that runs inside the runtime's process, but no other may have it. */
const NAME = 'leasehold';
/** Registration is a local call; init has ten seconds in all. In ms. */
const REGISTER_TIMEOUT_MS = 1_000;
/** So much of an error's text is told. */
const TEXT_MAX = 200;

export interface Extension {
  /** Host and port of Lambda's own API, as AWS_LAMBDA_RUNTIME_API names it. */
  readonly api: string;
  readonly clock: Clock;
  /** Told when Lambda has not taken the word that init is complete. */
  readonly onError: (error: Error) => void;
}

/**
 * Registers an internal extension that wants no events (Extensions API 2020-01-01). Lambda sends SIGTERM, and waits 500 ms,
 * only where there is an extension; without one it kills. Must be called during init: later it is refused.
 *
 * A registered extension is part of init, which is complete only when it has asked for its next event. For that one it
 * waits as long as the environment lives, on a socket that keeps nothing alive.
 *
 * @throws Error when the registration was refused, or not answered within a second.
 */
export const registerExtension = async ({ api, clock, onError }: Extension): Promise<void> => {
  const identifier = await register(api, clock);
  const next = request(`http://${api}/2020-01-01/extension/event/next`, {
    agent: false,
    headers: { 'Lambda-Extension-Identifier': identifier },
  });
  next.on('socket', (socket) => socket.unref());
  next.on('error', onError);
  next.on('response', (response) => {
    response.resume();
    if (response.statusCode !== 200)
      onError(new Error(`Lambda refused the extension: ${response.statusCode}`));
  });
  next.end();
};

const register = async (api: string, clock: Clock): Promise<string> => {
  const call = request(`http://${api}/2020-01-01/extension/register`, {
    method: 'POST',
    agent: false,
    headers: { 'Content-Type': 'application/json', 'Lambda-Extension-Name': NAME },
  });
  const bound = clock.setTimer(REGISTER_TIMEOUT_MS, () =>
    call.destroy(new Error(`Lambda's Extensions API did not answer within ${REGISTER_TIMEOUT_MS} ms.`)),
  );
  try {
    call.end(JSON.stringify({ events: [] }));
    const response = await answerTo(call);
    const text = await textOf(response);
    const identifier = response.headers['lambda-extension-identifier'];
    if (typeof identifier === 'string') return identifier;
    throw new Error(`Lambda refused to register an extension: ${response.statusCode} ${text}`);
  } finally {
    bound.cancel();
  }
};

const answerTo = (call: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    call.on('response', resolve);
    call.on('error', reject);
  });

const textOf = async (response: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return text.slice(0, TEXT_MAX);
};
