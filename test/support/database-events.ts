import { randomUUID } from 'node:crypto';

const ACCOUNT = '0'.repeat(12);

export const CLUSTER_ARN = `arn:aws:rds:eu-central-1:${ACCOUNT}:cluster:orders-db`;
const INSTANCE_ARN = `arn:aws:rds:eu-central-1:${ACCOUNT}:db:orders-one`;

interface Given {
  readonly atMs: number;
  readonly id: string;
  readonly arn?: string;
}

/** As EventBridge delivers what RDS tells; `time` has whole seconds. */
export const databaseEvent = ({ atMs, id, arn = CLUSTER_ARN }: Given) => {
  const isCluster = arn.includes(':cluster:');
  const date = new Date(atMs).toISOString();
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': isCluster ? 'RDS DB Cluster Event' : 'RDS DB Instance Event',
    source: 'aws.rds',
    account: ACCOUNT,
    time: date.replace(/\.\d+Z$/, 'Z'),
    region: 'eu-central-1',
    resources: [arn],
    detail: {
      EventCategories: ['failover'],
      SourceType: isCluster ? 'CLUSTER' : 'DB_INSTANCE',
      SourceArn: arn,
      Date: date,
      Message: 'Something about orders-one',
      SourceIdentifier: arn.split(':').at(-1),
      EventID: id,
    },
  };
};

export const started = (atMs: number) => databaseEvent({ atMs, id: 'RDS-EVENT-0073' });
export const completed = (atMs: number) => databaseEvent({ atMs, id: 'RDS-EVENT-0071' });
export const instanceEvent = (id: string, atMs: number) => databaseEvent({ atMs, id, arn: INSTANCE_ARN });
