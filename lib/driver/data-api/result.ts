import type { ArrayValue, ColumnMetadata, Field } from '@aws-sdk/client-rds-data';
import type { Output } from './module.ts';
import type { TextRow } from './sessions.ts';

export interface Column {
  readonly name: string;
  /** The database's name of the type, such as `int4`; '' where the service does not say. */
  readonly type: string;
}

export interface DataApiResult<Row = Record<string, unknown>> {
  readonly rows: readonly Row[];
  readonly columns: readonly Column[];
  /** Rows that were inserted, updated or deleted. */
  readonly updated: number;
}

/** Asked of the service with every statement: text loses no digit. */
export const EXACT = { decimalReturnType: 'STRING', longReturnType: 'STRING' } as const;

export const readResult = <Row>(output: Output<'ExecuteStatement'>): DataApiResult<Row> => {
  const columns = (output.columnMetadata ?? []).map(columnOf);
  const updated = output.numberOfRecordsUpdated ?? 0;
  const rows =
    output.formattedRecords === undefined
      ? (output.records ?? []).map((record) => readRow<Row>(record, columns))
      : (JSON.parse(output.formattedRecords) as Row[]);
  return { rows, columns, updated };
};

const columnOf = ({ label, name, typeName }: ColumnMetadata, at: number): Column => ({
  name: label || name || String(at),
  type: typeName ?? '',
});

/** Of two columns with one name the last one counts, as with `pg`. */
const readRow = <Row>(record: readonly Field[], columns: readonly Column[]): Row =>
  Object.fromEntries(
    record.map((field, at) => [columns[at]?.name ?? String(at), readField(field, columns[at]?.type ?? '')]),
  ) as Row;

/** By the column's type, as `pg` does: int8 and numeric stay text, or they would lose digits; so do dates and times without a zone. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  int2: Number,
  int4: Number,
  oid: Number,
  serial: Number,
  smallserial: Number,
  float4: Number,
  float8: Number,
  json: (text) => JSON.parse(text),
  jsonb: (text) => JSON.parse(text),
  // The service answers in UTC and does not say so.
  timestamptz: (text) => new Date(`${text.replace(' ', 'T')}Z`),
};

const readField = (field: Field, type: string): unknown => {
  if (field.isNull) return null;
  if (field.stringValue !== undefined) return readText(field.stringValue, type);
  if (field.longValue !== undefined) return type === 'int8' ? String(field.longValue) : field.longValue;
  if (field.arrayValue !== undefined) return readArray(field.arrayValue, type.replace(/^_/, ''));
  return field.booleanValue ?? field.doubleValue ?? field.blobValue ?? null;
};

const readText = (text: string, type: string): unknown => {
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  return reader === undefined ? text : reader(text);
};

const readArray = (value: ArrayValue, type: string): unknown[] => {
  if (value.arrayValues !== undefined)
    return value.arrayValues.map((inner) => (inner === null ? null : readArray(inner, type)));
  if (value.stringValues !== undefined)
    return value.stringValues.map((text) => (text === null ? null : readText(text, type)));
  const plain = value.longValues ?? value.doubleValues ?? value.booleanValues ?? [];
  return type === 'int8' ? plain.map((each) => (each === null ? null : String(each))) : [...plain];
};

/** The answer to a statement of the driver's own, whose columns are all text. */
export const textRows = (output: Output<'ExecuteStatement'>): TextRow[] =>
  (output.records ?? []).map((record) =>
    Object.fromEntries(
      record.map((field, at) => [
        output.columnMetadata?.[at]?.label ?? output.columnMetadata?.[at]?.name ?? String(at),
        field.stringValue ?? null,
      ]),
    ),
  );
