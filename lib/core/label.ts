import type { LeaseRef } from './lease.ts';

/** PostgreSQL cuts `application_name` silently after 63 bytes. */
export const LABEL_MAX_BYTES = 63;

export const RESOURCE_PATTERN = /^[a-z0-9-]{1,20}$/;
export const GROUP_PATTERN = /^[A-Za-z0-9_.:-]{1,64}$/;

/**
 * The session label `lh:<resource>.<namespace>:<lease>:<fence>`: it says whose session this is, goes into the session
 * together with the connect, and never collides across resources or registries that share one database.
 */
export const sessionLabel = (resource: string, namespace: string, lease: LeaseRef): string => {
  const label = `lh:${resource}.${namespace}:${lease.id}:${lease.fence.toString(36)}`;
  if (label.length > LABEL_MAX_BYTES)
    throw new RangeError(`The session label ${label} is longer than ${LABEL_MAX_BYTES} bytes.`);
  return label;
};
