import { Logger } from '@aws-lambda-powertools/logger';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { ExecuteStatementCommand, RDSDataClient } from '@aws-sdk/client-rds-data';
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import { type Clock, sleep, systemClock } from '../lib/core/clock.ts';
import type { NewResourceEvent } from './new-resource.ts';

/** What infra/first-step.yml says. */
export interface FirstStepProperties {
  /** The sweeper's function name. */
  readonly Sweeper: string;
  /** A database that this stack has made: what is done in it, as its administrator. Each text may hold several statements. */
  readonly ClusterArn?: string;
  readonly SecretArn?: string;
  readonly Database?: string;
  readonly Statements?: readonly string[];
}

/** What the first step does to the world. */
export interface FirstStepParts {
  readonly execute: (properties: FirstStepProperties, sql: string) => Promise<unknown>;
  /** Tells the sweeper; answers what went wrong, if anything. */
  readonly invoke: (name: string, event: NewResourceEvent) => Promise<string | undefined>;
  readonly answer: (url: string, body: string) => Promise<unknown>;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly clock?: Clock;
}

type FirstStepHandler = (
  event: CloudFormationCustomResourceEvent,
  context: Pick<Context, 'getRemainingTimeInMillis'>,
) => Promise<void>;

/**
 * What a new stack needs once, as a custom resource of CloudFormation: the role and the tables in a database that it has made,
 * and the word to the registry that its resource is new. A stack that gets another database later has that one prepared, too;
 * nothing else is done when a stack is changed or removed.
 *
 * A database that could not be prepared fails the deployment. A registry that could not be told does not: it learns by itself,
 * and all that is lost is the first callers' wait.
 */
export const firstStepHandler = (parts: FirstStepParts): FirstStepHandler => {
  return async (event, context) => {
    const { ResponseURL, StackId, RequestId, LogicalResourceId } = event;
    const failure = await stepFor(parts, event, context);
    const outcome = failure === undefined ? { Status: 'SUCCESS' } : { Status: 'FAILED', Reason: failure };
    const ids = { PhysicalResourceId: LogicalResourceId, StackId, RequestId, LogicalResourceId };
    await parts.answer(ResponseURL, JSON.stringify({ ...outcome, ...ids }));
  };
};

type LambdaContext = Parameters<FirstStepHandler>[1];

/** Answers what went wrong so that the deployment must fail, if anything. */
const stepFor = async (
  parts: FirstStepParts,
  event: CloudFormationCustomResourceEvent,
  context: LambdaContext,
): Promise<string | undefined> => {
  const properties = event.ResourceProperties as unknown as FirstStepProperties;
  if (event.RequestType === 'Delete') return undefined;
  if (event.RequestType === 'Update')
    return event.OldResourceProperties['ClusterArn'] === properties.ClusterArn
      ? undefined
      : prepareDatabase(parts, properties, context);
  const failure = await prepareDatabase(parts, properties, context);
  if (failure === undefined) await tellSweeper(parts, properties);
  return failure;
};

const prepareDatabase = async (
  parts: FirstStepParts,
  properties: FirstStepProperties,
  context: LambdaContext,
): Promise<string | undefined> => {
  try {
    for (const sql of statementsOf(properties)) await execute(parts, properties, sql, context);
    return undefined;
  } catch (error) {
    parts.logger.error('The database could not be prepared', error as Error);
    return `The database could not be prepared: ${(error as Error).message}`;
  }
};

const tellSweeper = async (
  { invoke, logger }: FirstStepParts,
  { Sweeper }: FirstStepProperties,
): Promise<void> => {
  const trouble = await invoke(Sweeper, { isNew: true }).catch(String);
  if (trouble === undefined) logger.info('The registry knows that the resource is new');
  else
    logger.warn('The registry could not be told that the resource is new; it learns by itself', { trouble });
};

/** The Data API takes one statement at a time. A statement ends with a semicolon at the end of a line. */
const statementsOf = ({ Statements = [] }: FirstStepProperties): string[] =>
  Statements.flatMap((text) => text.split(/;[ \t]*$/m))
    .map((sql) => sql.replaceAll(/^\s*--.*$/gm, '').trim())
    .filter(Boolean);

const RESUME_MS = 3_000;
/** For the sweeper, which may take 55 s, and the answer: a deployment stands still while none comes. */
const RESERVE_MS = 75_000;

/** A database that pauses may have done so while the rest of the stack was made. */
const execute = async (
  parts: FirstStepParts,
  properties: FirstStepProperties,
  sql: string,
  context: LambdaContext,
): Promise<void> => {
  const { clock = systemClock } = parts;
  for (;;) {
    try {
      await parts.execute(properties, sql);
      return;
    } catch (error) {
      const isResuming = (error as Error).name === 'DatabaseResumingException';
      if (!isResuming || context.getRemainingTimeInMillis() < RESERVE_MS) throw error;
    }
    await sleep(clock, RESUME_MS);
  }
};

const awsParts = (): FirstStepParts => {
  const lambda = new LambdaClient({ maxAttempts: 8 });
  const rdsData = new RDSDataClient({});
  return {
    logger: new Logger(),
    execute: ({ ClusterArn, SecretArn, Database }, sql) =>
      rdsData.send(
        new ExecuteStatementCommand({
          resourceArn: ClusterArn,
          secretArn: SecretArn,
          database: Database,
          sql,
        }),
      ),
    invoke: async (name, event) => {
      const { FunctionError, Payload } = await lambda.send(
        new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) }),
      );
      return FunctionError === undefined ? undefined : `${FunctionError}: ${Buffer.from(Payload ?? [])}`;
    },
    // The signature of the address is for a body without a type.
    answer: (url, body) => fetch(url, { method: 'PUT', body, headers: { 'content-type': '' } }),
  };
};

let made: FirstStepHandler | undefined;

export const handler: FirstStepHandler = async (event, context) => {
  made ??= firstStepHandler(awsParts());
  return made(event, context);
};
