import type { SqlParameter } from '@aws-sdk/client-rds-data';
import pg from 'pg';
import { DataApiFault } from './data-api-fault.ts';

/** A parameter as it comes over the wire: a blob is base64. */
export type WireParameter = Omit<SqlParameter, 'value'> & {
  readonly value?: Readonly<Record<string, unknown>>;
};

export interface NumberedSql {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What is no parameter although it has a colon: texts, names, comments, dollar quotes, casts. */
const TOKEN =
  /('(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$[\s\S]*?\$\2\$|::)|:([A-Za-z0-9_]+)/g;

const CASTS: Readonly<Record<string, string>> = {
  UUID: 'uuid',
  DATE: 'date',
  TIME: 'time',
  TIMESTAMP: 'timestamp',
  DECIMAL: 'numeric',
  JSON: 'json',
};

/** `:name` becomes `CAST($n AS type)`: the service sends every value with a type of its own, and a text is never "unknown". */
export const numbered = (sql: string, parameters: readonly WireParameter[] = []): NumberedSql => {
  const names: string[] = [];
  const given = new Map(parameters.map((parameter) => [parameter.name ?? '', bind(parameter)]));
  const text = sql.replace(TOKEN, (all, skipped: string | undefined, _tag, name: string | undefined) => {
    if (skipped !== undefined || name === undefined) return all;
    const bound = given.get(name);
    if (!bound) throw new DataApiFault('BadRequestException', `Named parameter not found: ${name}`);
    if (!names.includes(name)) names.push(name);
    const place = `$${names.indexOf(name) + 1}`;
    return bound.type === undefined ? place : `CAST(${place} AS ${bound.type})`;
  });
  return { text, values: names.map((name) => given.get(name)?.value) };
};

const bind = ({ value = {}, typeHint }: WireParameter): { value: unknown; type: string | undefined } => {
  if (value['isNull'] === true) return { value: null, type: typeHint && CASTS[typeHint] };
  if (value['stringValue'] !== undefined)
    return { value: value['stringValue'], type: typeHint ? CASTS[typeHint] : 'varchar' };
  if (value['longValue'] !== undefined) return { value: value['longValue'], type: 'bigint' };
  if (value['doubleValue'] !== undefined) return { value: value['doubleValue'], type: 'float8' };
  if (value['booleanValue'] !== undefined) return { value: value['booleanValue'], type: 'boolean' };
  if (value['blobValue'] !== undefined)
    return { value: Buffer.from(String(value['blobValue']), 'base64'), type: 'bytea' };
  throw new DataApiFault('BadRequestException', 'Array parameters are not supported.');
};

const TYPES: Readonly<Record<number, string>> = {
  16: 'bool',
  17: 'bytea',
  20: 'int8',
  21: 'int2',
  23: 'int4',
  25: 'text',
  26: 'oid',
  114: 'json',
  700: 'float4',
  701: 'float8',
  1000: '_bool',
  1007: '_int4',
  1009: '_text',
  1016: '_int8',
  1022: '_float8',
  1043: 'varchar',
  1082: 'date',
  1083: 'time',
  1114: 'timestamp',
  1184: 'timestamptz',
  1700: 'numeric',
  2950: 'uuid',
  3802: 'jsonb',
};

export const typeName = (oid: number): string => TYPES[oid] ?? 'unknown';

export interface ResultOptions {
  readonly longReturnType?: string;
  readonly decimalReturnType?: string;
}

type WireField = Readonly<Record<string, unknown>>;

const INTEGERS = new Set(['int2', 'int4', 'int8', 'oid']);
const FLOATS = new Set(['float4', 'float8']);

/** PostgreSQL's own text of a value as the service's JSON. */
export const wireField = (text: string | null, oid: number, options: ResultOptions = {}): WireField => {
  if (text === null) return { isNull: true };
  const type = typeName(oid);
  if (type.startsWith('_')) return { arrayValue: wireArray(arrayOf(text, oid)) };
  if (type === 'bool') return { booleanValue: text === 't' };
  if (INTEGERS.has(type))
    return options.longReturnType === 'STRING' ? { stringValue: text } : { longValue: Number(text) };
  if (type === 'numeric' && options.decimalReturnType === 'DOUBLE_OR_LONG')
    return { doubleValue: Number(text) };
  if (FLOATS.has(type)) return { doubleValue: Number(text) };
  if (type === 'bytea') return { blobValue: Buffer.from(text.slice(2), 'hex').toString('base64') };
  if (type === 'timestamptz') return { stringValue: text.replace(/\+00$/, '') };
  return { stringValue: text };
};

const arrayOf = (text: string, oid: number): unknown[] =>
  (pg.types.getTypeParser(oid) as (value: string) => unknown[])(text);

const wireArray = (values: readonly unknown[]): WireField => {
  const first = values.find((each) => each !== null);
  if (Array.isArray(first))
    return { arrayValues: values.map((each) => each && wireArray(each as unknown[])) };
  if (typeof first === 'boolean') return { booleanValues: values };
  if (typeof first !== 'number') return { stringValues: values };
  return values.every((each) => each === null || Number.isInteger(each))
    ? { longValues: values }
    : { doubleValues: values };
};
