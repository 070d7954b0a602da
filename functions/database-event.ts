/** What an event says of the database behind its endpoint: it goes away, or whatever came over it is over. */
export type FailoverPhase = 'started' | 'over';

export interface DatabaseEvent {
  readonly id: string;
  readonly phase: FailoverPhase;
  /** What the cluster or instance goes by: its ARN and its identifier, in lower case. */
  readonly names: readonly string[];
  /** When it happened, as RDS says; by the whole second. In ms of the wall clock. */
  readonly atMs: number;
}

/** Why there is nothing in an event for us. */
export interface ForeignEvent {
  readonly because: string;
}

/**
 * The events of RDS that say so, by their ids. Clusters: Aurora and Multi-AZ DB clusters; instances: RDS, and the members of a
 * cluster. An aborted failover (0034) is none, for nothing went away.
 *
 * https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_Events.Messages.html
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html
 */
export const FAILOVER_EVENTS: Readonly<Record<string, Readonly<Record<string, FailoverPhase>>>> = {
  'RDS DB Cluster Event': {
    /** "Cluster failover failed": who was the primary still is. */
    'RDS-EVENT-0069': 'over',
    /** "Promoting previous primary again": it goes on, the other way round. */
    'RDS-EVENT-0070': 'started',
    /** "Completed failover to DB instance" */
    'RDS-EVENT-0071': 'over',
    /** "Started same AZ failover to DB instance" */
    'RDS-EVENT-0072': 'started',
    /** "Started cross AZ failover to DB instance" */
    'RDS-EVENT-0073': 'started',
  },
  'RDS DB Instance Event': {
    /** "DB instance shutdown" */
    'RDS-EVENT-0004': 'started',
    /** "DB instance restarted" */
    'RDS-EVENT-0006': 'over',
    /** "Multi-AZ instance failover started" */
    'RDS-EVENT-0013': 'started',
    /** "Multi-AZ failover to standby complete" */
    'RDS-EVENT-0015': 'over',
    /** Offline maintenance: "currently unavailable" */
    'RDS-EVENT-0026': 'started',
    /** Offline maintenance: "now available" */
    'RDS-EVENT-0027': 'over',
    /** "Multi-AZ instance failover completed" */
    'RDS-EVENT-0049': 'over',
    /** "Multi-AZ instance activation started" */
    'RDS-EVENT-0050': 'started',
    /** "Multi-AZ instance activation completed" */
    'RDS-EVENT-0051': 'over',
    /** "Recovered from partial failover" */
    'RDS-EVENT-0065': 'over',
  },
};

/** Reads what EventBridge delivers. Total: whatever it is given, it says what is in it for us, or why nothing. */
export const readDatabaseEvent = (event: unknown): DatabaseEvent | ForeignEvent => {
  const { source, detail, time, 'detail-type': type } = Object(event) as Readonly<Record<string, unknown>>;
  const phases = source === 'aws.rds' && isText(type) ? own(FAILOVER_EVENTS, type) : undefined;
  if (phases === undefined) return { because: 'not an event of an RDS cluster or instance' };
  const { EventID: id, SourceArn: arn, SourceIdentifier: identifier } = Object(detail) as typeof phases;
  if (!isText(id) || !ID_PATTERN.test(id)) return { because: 'an event without an id' };
  const phase = own(phases, id);
  if (phase === undefined) return { because: `${id} says nothing of a failover` };
  const atMs = isText(time) ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(atMs)) return { because: `${id} says no time` };
  return { id, phase, names: namesOf(arn, identifier), atMs };
};

const ID_PATTERN = /^RDS-EVENT-\d{4}$/;

const isText = (value: unknown): value is string => typeof value === 'string';

const own = <Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

/** RDS writes some identifiers with `rds:` before them. */
const namesOf = (...texts: readonly unknown[]): string[] =>
  texts.filter(isText).map((text) => text.toLowerCase().replace(/^rds:/, ''));
