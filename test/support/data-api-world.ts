import * as rdsData from '@aws-sdk/client-rds-data';
import {
  type DataApiClient,
  type DataApiDriverOptions,
  type DataApiOptions,
  dataApiDriver,
} from '../../lib/driver/data-api.ts';
import type { DriverConnection, OpenRequest } from '../../lib/driver/driver.ts';
import { CLUSTER, type DataApiServer, startDataApiServer } from './data-api-server.ts';
import type { PostgresRole } from './postgres.ts';
import { openRequest } from './postgres-session.ts';
import { freshRole, postgresAdmin } from './servers.ts';

/** The local service with a role of its own, whom the database itself allows so many connections. */
export class DataApiWorld implements AsyncDisposable {
  readonly server: DataApiServer;
  readonly role: PostgresRole;
  readonly secretArn: string;
  readonly #opened: DriverConnection<unknown>[] = [];

  private constructor(server: DataApiServer, role: PostgresRole) {
    this.server = server;
    this.role = role;
    this.secretArn = server.secret(role);
  }

  static async open(limit = 5): Promise<DataApiWorld> {
    const role = await freshRole(limit);
    const { host, port } = postgresAdmin();
    return new DataApiWorld(await startDataApiServer({ host, port }), role);
  }

  /** What the driver takes; repeats are soon given up. */
  options(changes: Partial<DataApiOptions> = {}): DataApiOptions {
    return {
      resourceArn: CLUSTER,
      secretArn: this.secretArn,
      client: this.clientConfig,
      retryForMs: 3_000,
      ...changes,
    };
  }

  get clientConfig(): rdsData.RDSDataClientConfig {
    return {
      endpoint: this.server.endpoint,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    };
  }

  async connect(
    changes: Partial<DataApiOptions> = {},
    request: Partial<OpenRequest> = {},
    parts: DataApiDriverOptions = {},
  ): Promise<DriverConnection<DataApiClient>> {
    const driver = dataApiDriver(rdsData, this.options(changes), parts);
    const result = await driver.open(openRequest(request));
    if (result.kind !== 'open') throw result.error;
    this.#opened.push(result.connection);
    this.server.calls.length = 0;
    return result.connection;
  }

  /** What was sent, in order, marks and the labelling of transactions aside. */
  get sent(): string[] {
    return this.server.calls
      .filter(({ sql }) => !sql.includes('set_config'))
      .map(({ operation, sql }) => (sql === '' ? operation : sql.replace(/^\/\*.*?\*\//, '')));
  }

  /** Labels of the role's sessions, and the beginning of what they last sent. */
  sessions(): Promise<{ label: string; query: string; state: string }[]> {
    return postgresAdmin().query(
      'SELECT application_name AS label, query, state FROM pg_stat_activity WHERE usename = $1',
      [this.role.user],
    );
  }

  async table(columns: string): Promise<string> {
    const name = `t_${Math.random().toString(36).slice(2)}`;
    await postgresAdmin().query(`CREATE TABLE ${name} (${columns})`);
    await postgresAdmin().query(`GRANT ALL ON ${name} TO "${this.role.user}"`);
    return name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map((connection) => connection.close(500)));
    await this.server[Symbol.asyncDispose]();
  }
}
