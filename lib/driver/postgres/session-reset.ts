import { type SessionSettings, settleSettings } from './settings.ts';

/**
 * What DISCARD ALL does, less the prepared statements: `pg` remembers by name which ones the session has. Settings go
 * first, so that a statement timeout of the borrower's cuts none of the rest. RESET ROLE says
 * outright what the authorization only implies.
 */
const UNDO = [
  'RESET ALL',
  'SET SESSION AUTHORIZATION DEFAULT',
  'RESET ROLE',
  'CLOSE ALL',
  'UNLISTEN *',
  'SELECT pg_catalog.pg_advisory_unlock_all()',
  'DISCARD TEMP',
  'DISCARD SEQUENCES',
];

/**
 * Undoes, in one message, what a borrower may have done to its session outside of a transaction. RESET ALL goes back to
 * what the startup message said; `settled` are the settings that had to be made after the login, and so are made again.
 */
export const undoStatements = (settled: SessionSettings | undefined): string =>
  [...UNDO, ...(settled === undefined ? [] : [settleSettings(settled)])].join('; ');
