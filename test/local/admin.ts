import type { ExecutionEnvironment } from './execution-environment.ts';
import type { HttpAnswer } from './http-answer.ts';
import type { LocalLambda } from './local-lambda.ts';

/**
 * What no cloud has: `GET /local/environments` tells what runs, `POST /local/kill` kills an environment of the orders API,
 * `POST /local/vanish` makes one disappear without a word, as with its host. Both take one that works, if there is one.
 */
export const admin =
  (lambda: LocalLambda) =>
  (method: string, path: string): HttpAnswer | undefined => {
    if (!path.startsWith('/local/')) return undefined;
    const what = `${method} ${path}`;
    if (what === 'GET /local/environments')
      return json(
        200,
        lambda.functions.flatMap(({ environments }) => environments.map(described)),
      );
    const word = /^POST \/local\/(kill|vanish)$/.exec(what)?.[1];
    if (word === undefined)
      return json(404, { message: 'It is GET /local/environments, POST /local/kill or POST /local/vanish.' });
    const victim = victimOf(lambda);
    if (victim === undefined) return json(409, { message: 'No environment of the orders API runs.' });
    const told = described(victim);
    if (word === 'kill') victim.kill();
    else victim.vanish();
    return json(200, told);
  };

const victimOf = (lambda: LocalLambda): ExecutionEnvironment | undefined => {
  const running = lambda.function('orders').environments.filter(({ pid }) => pid !== undefined);
  return running.findLast(({ runningCount }) => runningCount > 0) ?? running.at(-1);
};

const described = ({ name, pid, isFrozen, runningCount }: ExecutionEnvironment) => ({
  name,
  pid,
  isFrozen,
  runningCount,
});

const json = (status: number, body: unknown): HttpAnswer => ({
  status,
  headers: [['content-type', 'application/json']],
  body: Buffer.from(`${JSON.stringify(body)}\n`),
});
