import type { Field, SqlParameter, TypeHint } from '@aws-sdk/client-rds-data';

/** A value of a named parameter, as one writes it in JavaScript. */
export type ParameterValue =
  | null
  | undefined
  | string
  | number
  | bigint
  | boolean
  | Date
  | Uint8Array
  | Typed
  | { readonly [key: string]: unknown };

export type Parameters = Readonly<Record<string, ParameterValue>>;

/** A text that the database is to take for something else; made by `typed`. */
export class Typed {
  readonly hint: TypeHint;
  readonly text: string;

  constructor(hint: TypeHint, text: string) {
    this.hint = hint;
    this.text = text;
  }
}

/** `typed('UUID', id)`, `typed('DATE', '2026-01-31')`, `typed('DECIMAL', '0.10')`, `typed('JSON', text)`, … */
export const typed = (hint: TypeHint, text: string): Typed => new Typed(hint, text);

/**
 * The service's parameters for a record of values. A Date becomes a TIMESTAMP in UTC, a plain object JSON, a bigint beyond what a
 * number holds a DECIMAL.
 *
 * @throws TypeError for what the service cannot take: a list, NaN, an infinity, a function; the value is not in the message.
 */
export const toParameters = (values: Parameters = {}): SqlParameter[] =>
  Object.entries(values).map(([name, value]) => ({ name, ...parameter(name, value) }));

type Valued = Pick<SqlParameter, 'value' | 'typeHint'>;

const hinted = (typeHint: TypeHint, stringValue: string): Valued => ({ typeHint, value: { stringValue } });

const parameter = (name: string, value: ParameterValue): Valued => {
  if (value instanceof Typed) return hinted(value.hint, value.text);
  if (typeof value === 'bigint' && !isSafe(value)) return hinted('DECIMAL', String(value));
  if (value === null || typeof value !== 'object') return { value: scalar(name, value) };
  if (isDate(value)) return hinted('TIMESTAMP', timestamp(name, value));
  if (value instanceof Uint8Array) return { value: { blobValue: value } };
  if (Array.isArray(value))
    throw unfit(name, 'a list: the Data API takes none; pass JSON, and unpack it in SQL');
  return hinted('JSON', JSON.stringify(value));
};

const scalar = (name: string, value: unknown): Field => {
  if (value === null || value === undefined) return { isNull: true };
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { booleanValue: value };
  if (typeof value === 'bigint') return { longValue: Number(value) };
  if (typeof value !== 'number') throw unfit(name, `a ${typeof value}`);
  if (Number.isSafeInteger(value)) return { longValue: value };
  if (!Number.isFinite(value)) throw unfit(name, 'not a finite number');
  return { doubleValue: value };
};

const isSafe = (value: bigint): boolean => Number.isSafeInteger(Number(value));

/** Also one of another realm. */
const isDate = (value: object): value is Date => Object.prototype.toString.call(value) === '[object Date]';

/** `2026-01-31 12:00:00.000`: the service wants no letter in it. */
const timestamp = (name: string, value: Date): string => {
  if (Number.isNaN(value.getTime())) throw unfit(name, 'not a valid date');
  return value.toISOString().replace('T', ' ').replace('Z', '');
};

const unfit = (name: string, what: string): TypeError => new TypeError(`The parameter ${name} is ${what}.`);
