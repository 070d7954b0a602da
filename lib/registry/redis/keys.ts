import { createHash } from 'node:crypto';

const NAMESPACE_LENGTH = 6;

/** Six characters that stand for the namespace option: short enough for a session label, the same for all who use it. */
export const namespaceTag = (namespace: string): string =>
  BigInt(`0x${createHash('sha256').update(namespace).digest('hex')}`)
    .toString(36)
    .slice(-NAMESPACE_LENGTH);

const KINDS = ['state', 'times', 'clock'] as const;

/** All keys of one resource; the hash tag keeps them in one slot (law L14). */
export const keysOf = (resource: string, tag: string): string[] =>
  KINDS.map((kind) => `leasehold:{${resource}.${tag}}:${kind}`);

/** Where a holder is told that a slot is kept for one of its tickets; the scripts make the same name of the state's key. */
export const wakeChannelOf = (resource: string, tag: string, holder: string): string =>
  `leasehold:{${resource}.${tag}}:wake:${holder}`;

/** Resources whose keys are remembered; a registry rarely sees more than one. */
const REMEMBERED_MAX = 100;

/** The same, made once for each resource: the names are the longest part of every call. */
export const rememberedKeys = (tag: string): ((resource: string) => readonly string[]) => {
  const known = new Map<string, readonly string[]>();
  return (resource) => {
    const found = known.get(resource);
    if (found !== undefined) return found;
    if (known.size >= REMEMBERED_MAX) known.clear();
    const keys = keysOf(resource, tag);
    known.set(resource, keys);
    return keys;
  };
};
