/** What a value has to be. */
export interface Right {
  readonly isRight: (value: unknown) => boolean;
  /** In words. */
  readonly says: string;
}

/** `unit`: what is counted. */
export const wholeNumber = (min: number, max: number, unit?: string): Right => ({
  isRight: (value) => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max,
  says: `a whole number${unit === undefined ? '' : ` of ${unit}`} from ${min} to ${max}`,
});
