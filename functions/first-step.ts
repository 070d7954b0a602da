import { Logger } from '@aws-lambda-powertools/logger';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { ExecuteStatementCommand, RDSDataClient } from '@aws-sdk/client-rds-data';
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import { type Clock, sleep, systemClock } from '../lib/core/clock.ts';
import type { Environment } from '../lib/core/environment.ts';
import type { NewResourceEvent } from './new-resource.ts';

/**
 * What infra/first-step.yml gives the function to do. It stands in the function's environment and not in the event: else whoever may
 * invoke the function could have any statement executed as the database's administrator.
 */
export interface FirstStepSettings {
  /** The sweeper's function name. */
  readonly sweeper: string;
  /** A database that this stack has made; blank: there is none. */
  readonly clusterArn: string;
  readonly secretArn: string;
  readonly database: string;
  /** What is done in it, as its administrator: statements that do no harm when they are repeated. */
  readonly sql: string;
}

/** Reads the variables of infra/first-step.yml, FIRST_STEP_*. */
export const readFirstStep = (env: Environment): FirstStepSettings => {
  const read = (name: string): string => env[`FIRST_STEP_${name}`] ?? '';
  return {
    sweeper: read('SWEEPER'),
    clusterArn: read('CLUSTER_ARN'),
    secretArn: read('SECRET_ARN'),
    database: read('DATABASE'),
    sql: read('SQL'),
  };
};

/** What the first step does to the world. */
export interface FirstStepParts {
  readonly settings: FirstStepSettings;
  readonly execute: (sql: string) => Promise<unknown>;
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
  if (event.RequestType === 'Delete') return undefined;
  if (event.RequestType === 'Update') {
    const isSame = event.OldResourceProperties['ClusterArn'] === event.ResourceProperties['ClusterArn'];
    return isSame ? undefined : prepareDatabase(parts, context);
  }
  const failure = await prepareDatabase(parts, context);
  if (failure === undefined) await tellSweeper(parts);
  return failure;
};

const prepareDatabase = async (
  parts: FirstStepParts,
  context: LambdaContext,
): Promise<string | undefined> => {
  try {
    for (const sql of statementsOf(parts.settings)) await execute(parts, sql, context);
    return undefined;
  } catch (error) {
    parts.logger.error('The database could not be prepared', error as Error);
    return `The database could not be prepared: ${(error as Error).message}`;
  }
};

const tellSweeper = async ({ settings, invoke, logger }: FirstStepParts): Promise<void> => {
  const trouble = await invoke(settings.sweeper, { isNew: true }).catch(String);
  if (trouble === undefined) logger.info('The registry knows that the resource is new');
  else
    logger.warn('The registry could not be told that the resource is new; it learns by itself', { trouble });
};

/** The Data API takes one statement at a time. A statement ends with a semicolon at the end of a line. */
const statementsOf = ({ clusterArn, sql: text }: FirstStepSettings): string[] =>
  (clusterArn === '' ? '' : text)
    .split(/;[ \t]*$/m)
    .map((sql) => sql.replaceAll(/^\s*--.*$/gm, '').trim())
    .filter(Boolean);

const RESUME_MS = 3_000;
/** For the sweeper, which may take 55 s, and the answer: a deployment stands still while none comes. */
const RESERVE_MS = 75_000;

/** A database that pauses may have done so while the rest of the stack was made. */
const execute = async (parts: FirstStepParts, sql: string, context: LambdaContext): Promise<void> => {
  const { clock = systemClock } = parts;
  for (;;) {
    try {
      await parts.execute(sql);
      return;
    } catch (error) {
      const isResuming = (error as Error).name === 'DatabaseResumingException';
      if (!isResuming || context.getRemainingTimeInMillis() < RESERVE_MS) throw error;
    }
    await sleep(clock, RESUME_MS);
  }
};

const awsParts = (): FirstStepParts => {
  const settings = readFirstStep(process.env);
  const { clusterArn: resourceArn, secretArn, database } = settings;
  const lambda = new LambdaClient({ maxAttempts: 8 });
  const rdsData = new RDSDataClient({});
  return {
    logger: new Logger(),
    settings,
    execute: (sql) => rdsData.send(new ExecuteStatementCommand({ resourceArn, secretArn, database, sql })),
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
