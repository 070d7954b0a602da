import pg from 'pg';

/** An error as the service answers it: its name in a header, its status, its fields in JSON. */
export class DataApiFault extends Error {
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(
    name: string,
    message: string,
    status = STATUS[name] ?? 400,
    fields: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = name;
    this.status = status;
    this.fields = fields;
  }
}

/** From the service's model; everything else is a 400. */
const STATUS: Readonly<Record<string, number>> = {
  AccessDeniedException: 403,
  ForbiddenException: 403,
  DatabaseNotFoundException: 404,
  NotFoundException: 404,
  TransactionNotFoundException: 404,
  InternalServerErrorException: 500,
  ServiceUnavailableError: 503,
  DatabaseUnavailableException: 504,
};

/** An error of PostgreSQL in the service's words. */
export const databaseFault = (error: unknown): DataApiFault => {
  if (error instanceof DataApiFault) return error;
  if (!(error instanceof pg.DatabaseError))
    return new DataApiFault('DatabaseUnavailableException', error instanceof Error ? error.message : 'gone');
  const { severity = 'ERROR', message, position, code } = error;
  const at = position === undefined ? '' : ` Position: ${position};`;
  return new DataApiFault('DatabaseErrorException', `${severity}: ${message};${at} SQLState: ${code}`);
};
