import { configError } from '../lib/core/config.ts';
import type { Environment } from '../lib/core/environment.ts';
import { show, suggestion } from '../lib/core/problem.ts';
import { wholeNumber } from '../lib/core/right.ts';

export interface FailoverSettings {
  /** Clusters and instances whose events count: identifiers or ARNs, in lower case. None: the function is for operators only. */
  readonly sources: readonly string[];
  /** How long a failover may take, in ms: by then a pause ends although nobody has said that the failover is over. */
  readonly pauseMs: number;
}

const PREFIX = 'FAILOVER_';
const VARIABLES = ['FAILOVER_SOURCES', 'FAILOVER_PAUSE_MS'];

/** AWS names "typically less than 35 seconds" for a Multi-AZ DB cluster, and one to two minutes for a Multi-AZ instance. */
const PAUSE_MS = 90_000;
const PAUSE = wholeNumber(5_000, 600_000, 'ms');
const SOURCES_MAX = 20;

const IDENTIFIER = /^[a-z][a-z0-9-]{0,62}$/;
const ARN = /^arn:aws[a-z-]*:rds:[a-z0-9-]+:\d{12}:(cluster|db):[a-z][a-z0-9-]{0,62}$/;

/**
 * Reads FAILOVER_SOURCES (the clusters or instances behind the resource's endpoint, by identifier or ARN, with commas between
 * them; for an operator's words it needs none) and FAILOVER_PAUSE_MS (default: 90,000).
 *
 * @throws LeaseholdError CONFIG_INVALID with every problem at once.
 */
export const readFailoverSettings = (env: Environment): FailoverSettings => {
  const sources = (env['FAILOVER_SOURCES'] ?? '')
    .toLowerCase()
    .split(',')
    .map((text) => text.trim())
    .filter(Boolean);
  const pauseText = env['FAILOVER_PAUSE_MS']?.trim();
  const pauseMs = pauseText ? Number(pauseText) : PAUSE_MS;
  const problems = [...unknownVariables(env), ...sourceProblems(sources)];
  if (!PAUSE.isRight(pauseMs)) problems.push(`FAILOVER_PAUSE_MS: ${show(pauseText)} is not ${PAUSE.says}`);
  if (problems.length > 0) throw configError(problems);
  return { sources, pauseMs };
};

/** An event that comes to a function which knows of no source would be ignored for ever, so that nobody noticed. */
export const withoutSources = (): Error =>
  configError(['FAILOVER_SOURCES: is missing; it names the clusters or instances whose failovers count']);

const unknownVariables = (env: Environment): string[] =>
  Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !VARIABLES.includes(name))
    .map(
      (name) =>
        `${name}: no such variable; ${suggestion(name, VARIABLES) ?? `there are ${VARIABLES.join(', ')}`}`,
    );

const sourceProblems = (sources: readonly string[]): string[] => {
  if (sources.length > SOURCES_MAX)
    return [`FAILOVER_SOURCES: ${sources.length} are more than ${SOURCES_MAX}`];
  return sources
    .filter((source) => !IDENTIFIER.test(source) && !ARN.test(source))
    .map(
      (source) =>
        `FAILOVER_SOURCES: ${show(source)} is neither the identifier nor the ARN of a cluster or instance`,
    );
};
