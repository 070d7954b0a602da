import type { PackagedRoute } from './packaged-service.ts';

export interface Match {
  readonly route: PackagedRoute;
  readonly pathParameters: Readonly<Record<string, string>>;
}

/** The route of an HTTP API that fits best: literal segments before parameters, those before a greedy one, `$default` last. */
export const matchRoute = (
  routes: readonly PackagedRoute[],
  method: string,
  path: string,
): Match | undefined => {
  const segments = path.split('/').slice(1);
  const matches = routes.flatMap((route) => {
    const pathParameters = parametersOf(route.routeKey, method, segments);
    return pathParameters === undefined ? [] : [{ route, pathParameters }];
  });
  return matches.toSorted((one, other) => rank(one.route) - rank(other.route))[0];
};

const rank = ({ routeKey }: PackagedRoute): number => {
  if (routeKey === '$default') return 1_000;
  return (routeKey.match(/\{/g)?.length ?? 0) + (routeKey.includes('+}') ? 100 : 0);
};

const parametersOf = (
  routeKey: string,
  method: string,
  segments: readonly string[],
): Record<string, string> | undefined => {
  if (routeKey === '$default') return {};
  const [wantedMethod, pattern = ''] = routeKey.split(' ');
  if (wantedMethod !== method && wantedMethod !== 'ANY') return undefined;
  const wanted = pattern.split('/').slice(1);
  const isGreedy = wanted.at(-1)?.endsWith('+}') === true;
  if (isGreedy ? segments.length < wanted.length : segments.length !== wanted.length) return undefined;
  const found: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const given = part.endsWith('+}') ? segments.slice(at).join('/') : (segments[at] ?? '');
    const [, name] = /^\{(\w+)\+?\}$/.exec(part) ?? [];
    if (name === undefined ? part !== given : given === '') return undefined;
    if (name !== undefined) found[name] = decoded(given);
  }
  return found;
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
