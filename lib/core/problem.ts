/** How a problem of the configuration is worded. A value may be a secret that was put in the wrong place. */

const SHOWN_CHARACTERS = 40;

/** No right value of any option has these; a connection string, and the credentials in one, always do. */
const MAY_BE_SECRET = /:\/\/|@/;

/** A wrong value as a problem may show it. Total: there is nothing that it fails on. */
export const show = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return showText(value);
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
};

const showText = (text: string): string =>
  MAY_BE_SECRET.test(text) ? 'a text that may be a secret' : JSON.stringify(text.slice(0, SHOWN_CHARACTERS));

/** ` did you mean …?`, where one of `known` is near enough to `name`. */
export const suggestion = (name: string, known: readonly string[]): string | undefined => {
  const wanted = plain(name);
  const near = known
    .map((other) => ({ other, steps: plain(other) === '' ? Infinity : editSteps(wanted, plain(other)) }))
    .filter(({ steps }) => steps <= wanted.length / LETTERS_PER_SLIP)
    .sort((one, two) => one.steps - two.steps);
  return near[0] === undefined ? undefined : `did you mean ${near[0].other}?`;
};

/** One slip in so many letters is forgiven. */
const LETTERS_PER_SLIP = 4;

/** What people leave out, add and spell in another way. */
const plain = (name: string): string =>
  name
    .replace(/^LEASEHOLD_/, '')
    .toLowerCase()
    .replace(/(ms|timeout|max|_|-)/g, '');

/** Letters that have to be added, removed or changed to make one word of the other (Levenshtein). */
const editSteps = (one: string, two: string): number => {
  let row = Array.from({ length: two.length + 1 }, (_, at) => at);
  for (const [above, letter] of [...one].entries()) {
    const next = [above + 1];
    for (const [at, other] of [...two].entries()) {
      const changed = (row[at] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row[two.length] ?? 0;
};
