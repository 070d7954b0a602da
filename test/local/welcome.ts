import type { Arguments } from './arguments.ts';

const ORDER = `'{"customer":"Ada","items":[{"sku":"tea","quantity":2}]}'`;

/** What a person can do with it; every command works when pasted. */
export const welcome = (url: string, { capacity, sweepEvery }: Arguments): string => {
  const post = `curl -sS ${url}/orders -H 'content-type: application/json' -d`;
  return `
The service runs: its packaged functions, PostgreSQL and Redis. The fleet may have ${capacity} connections, and the database
itself refuses one more. The sweeper runs every ${sweepEvery} s.

  orders   ${url}/orders
  status   ${url}/status
  console  ${url}/console

Write an order, and read it:
  ${post} ${ORDER}
  curl -sS ${url}/orders/1

Two hundred at once:
  seq 200 | xargs -P 200 -I '{}' ${post} ${ORDER} -o /dev/null -w '%{http_code}\\n' | sort | uniq -c

Kill an environment with kill -9 and the pid below. Or have one vanish in the middle of a statement, as with its host: its
session stays at the database until the sweeper ends it.
  ${post} ${ORDER.replace('Ada', 'slow')} &
  curl -sS -X POST ${url}/local/vanish

Ctrl-C ends everything.
`;
};
