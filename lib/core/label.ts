import type { LeaseRef } from './lease.ts';

/** PostgreSQL cuts `application_name` silently after 63 bytes. */
export const LABEL_MAX_BYTES = 63;

export const RESOURCE_PATTERN = /^[a-z0-9-]{1,20}$/;
export const GROUP_PATTERN = /^[A-Za-z0-9_.:-]{1,64}$/;

/** The beginning that the labels of one resource share, and no others. */
export const labelPrefix = (resource: string, namespace: string): string => `lh:${resource}.${namespace}:`;

/**
 * What every label looks like, of whatever resource and registry: `lh:<resource>.<namespace>:<lease>:<fence>`. A regular
 * expression that database engines understand as well.
 */
export const LABEL_SHAPE =
  '^lh:[a-z0-9-]{1,20}[.][A-Za-z0-9_-]{1,20}:[A-Za-z0-9_-]{1,32}:[1-9a-z][0-9a-z]{0,10}$';

const LABEL = new RegExp(LABEL_SHAPE);

/**
 * The session label of a lease: it says whose session this is, goes into the session together with the connect, and never
 * collides across resources or registries that share one database. What a census could not read back is refused here.
 */
export const sessionLabel = (resource: string, namespace: string, lease: LeaseRef): string => {
  const label = `${labelPrefix(resource, namespace)}${lease.id}:${lease.fence.toString(36)}`;
  if (label.length > LABEL_MAX_BYTES)
    throw new RangeError(`The session label ${label} is longer than ${LABEL_MAX_BYTES} bytes.`);
  if (!LABEL.test(label)) throw new RangeError(`Not a session label: ${JSON.stringify(label)}`);
  return label;
};

/** The lease that a label beginning with `prefix` names; undefined for anything else, for everybody may write into that field. */
export const parseLabel = (prefix: string, label: string): LeaseRef | undefined => {
  if (!label.startsWith(prefix) || !LABEL.test(label)) return undefined;
  const [, , id = '', digits = ''] = label.split(':');
  const fence = Number.parseInt(digits, 36);
  return Number.isSafeInteger(fence) ? { id, fence } : undefined;
};
