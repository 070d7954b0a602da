import { SCHEMA, type StatusView } from '../status-view.ts';
import type { Reply } from './poller.ts';

/** Relative: a stage may have put something in front. */
const ADDRESS = 'status';

/** One question to the status function. Whatever is no view is silence, and says whose. */
export const askStatus = async (signal: AbortSignal): Promise<Reply> => {
  // A login page behind a redirect is no answer.
  const response = await fetch(ADDRESS, { signal, cache: 'no-store', redirect: 'manual' });
  if (response.type === 'opaqueredirect' || response.status === 401 || response.status === 403)
    return { kind: 'silence', who: 'reader' };
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && isView(body)) return { kind: 'view', view: body };
  const who = errorOf(body) === 'REGISTRY_UNREACHABLE' ? 'registry' : 'function';
  return { kind: 'silence', who, retryAfterMs: retryAfterMs(response) };
};

/** A newer function may answer an older page, which then has to be loaded again. */
const isView = (body: unknown): body is StatusView => Reflect.get(Object(body), 'schema') === SCHEMA;

const errorOf = (body: unknown): unknown => Reflect.get(Object(body), 'error');

const retryAfterMs = ({ headers }: Response): number => (Number(headers.get('Retry-After')) || 0) * 1_000;
