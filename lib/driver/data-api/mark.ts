/**
 * The comment before a statement that says whose it is: the service's own connections carry nobody's label. Without colons,
 * which begin a named parameter. PostgreSQL shows the first kilobyte of a statement in its session list.
 */
export const markOf = (label: string): string => `/*${label.replaceAll(':', '|')}*/`;

/** Any mark of ours, anywhere in a statement; for PostgreSQL. */
export const MARK_SHAPE = '/[*]lh[a-z-]*[|][A-Za-z0-9_.|-]+[*]/';

/** Of a lease, at the beginning of a statement: its label with bars for colons. */
export const LEASE_MARK = '^/[*](lh[|][a-z0-9-]+[.][A-Za-z0-9_-]+[|][A-Za-z0-9_-]+[|][0-9a-z]+)[*]/';
