import { once } from 'node:events';
import { connect } from 'node:net';
import pg from 'pg';
import { DataApiFault, databaseFault } from './data-api-fault.ts';
import type { DataApiShelf } from './data-api-shelf.ts';
import { numbered, type ResultOptions, typeName, type WireParameter, wireField } from './data-api-sql.ts';

/** The body of a request. */
export interface WireInput {
  readonly resourceArn?: string;
  readonly secretArn?: string;
  readonly database?: string;
  readonly sql?: string;
  readonly transactionId?: string;
  readonly parameters?: readonly WireParameter[];
  readonly parameterSets?: readonly (readonly WireParameter[])[];
  readonly includeResultMetadata?: boolean;
  readonly continueAfterTimeout?: boolean;
  readonly formatRecordsAs?: string;
  readonly resultSetOptions?: ResultOptions;
}

/** Everything stays PostgreSQL's own text. */
const AS_TEXT = { getTypeParser: () => (value: string) => value };

/**
 * One connection to the real PostgreSQL, for one statement or one transaction: with the role's CONNECTION LIMIT the database itself
 * judges how many run at once.
 */
export class DataApiUnit {
  readonly #client: pg.Client;
  readonly #shelf: DataApiShelf;

  private constructor(client: pg.Client, shelf: DataApiShelf) {
    this.#client = client;
    this.#shelf = shelf;
  }

  static async open(config: pg.ClientConfig, shelf: DataApiShelf): Promise<DataApiUnit> {
    const kept = shelf.take(config);
    if (kept !== undefined) return new DataApiUnit(kept, shelf);
    const client = new pg.Client({ ...config, application_name: 'rds-data', options: '-c TimeZone=UTC' });
    client.on('error', () => undefined);
    shelf.watch(client);
    try {
      await client.connect();
      return new DataApiUnit(client, shelf);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw databaseFault(error);
    }
  }

  async command(text: string): Promise<void> {
    await this.#client.query(text).catch((error) => {
      throw databaseFault(error);
    });
  }

  /** Cancels what runs; the role needs no place for that. */
  async cancel(): Promise<void> {
    const { host, port, processID, secretKey } = this.#client as unknown as Cancellable;
    const socket = connect(port, host);
    await once(socket, 'connect');
    const request = Buffer.alloc(16);
    for (const [at, value] of [16, 80_877_102, processID, secretKey].entries())
      request.writeInt32BE(value, at * 4);
    socket.end(request);
    await once(socket.resume(), 'close');
  }

  /** Resolves when its place is free. */
  async close(): Promise<void> {
    await this.#shelf.put(this.#client);
  }

  async execute(input: WireInput): Promise<object> {
    const result = await this.#ask(input.sql ?? '', input.parameters);
    const updated = result.command === 'SELECT' ? 0 : (result.rowCount ?? 0);
    if (input.formatRecordsAs === 'JSON')
      return { formattedRecords: JSON.stringify(asObjects(result)), numberOfRecordsUpdated: updated };
    return {
      numberOfRecordsUpdated: updated,
      generatedFields: [],
      ...(result.fields.length === 0 ? {} : { records: recordsOf(result, input.resultSetOptions) }),
      ...(input.includeResultMetadata ? { columnMetadata: result.fields.map(metadataOf) } : {}),
    };
  }

  async batch({ sql = '', parameterSets = [[]] }: WireInput): Promise<object> {
    for (const parameters of parameterSets) await this.#ask(sql, parameters);
    return { updateResults: parameterSets.map(() => ({ generatedFields: [] })) };
  }

  async #ask(sql: string, parameters?: readonly WireParameter[]): Promise<pg.QueryArrayResult<Row>> {
    const { text, values } = numbered(sql, parameters);
    const statement = {
      text,
      values: [...values],
      rowMode: 'array' as const,
      types: AS_TEXT,
      // Never several statements in one.
      queryMode: 'extended',
    };
    try {
      return await this.#client.query<Row>(statement as pg.QueryArrayConfig);
    } catch (error) {
      throw databaseFault(error);
    }
  }
}

/** What a cancel request names the session by. */
interface Cancellable {
  readonly host: string;
  readonly port: number;
  readonly processID: number;
  readonly secretKey: number;
}

type Row = (string | null)[];

const recordsOf = ({ rows, fields }: pg.QueryArrayResult<Row>, options: ResultOptions | undefined) => {
  const unsupported = fields.find(({ dataTypeID }) => dataTypeID === POINT);
  if (unsupported)
    throw new DataApiFault(
      'UnsupportedResultException',
      `The result contains the unsupported data type POINT`,
    );
  return rows.map((row) => row.map((text, at) => wireField(text, fields[at]?.dataTypeID ?? 0, options)));
};

const POINT = 600;

const metadataOf = ({ name, dataTypeID }: pg.FieldDef) => ({
  name,
  label: name,
  typeName: typeName(dataTypeID),
  nullable: 1,
});

const asObjects = ({ rows, fields }: pg.QueryArrayResult<Row>): object[] =>
  rows.map((row) =>
    Object.fromEntries(
      row.map((text, at) => [fields[at]?.name, plain(wireField(text, fields[at]?.dataTypeID ?? 0))]),
    ),
  );

const plain = (field: Readonly<Record<string, unknown>>): unknown =>
  field['isNull'] === true ? null : Object.values(field)[0];
