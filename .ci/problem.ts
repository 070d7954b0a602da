/** One thing that is wrong in a file, and what would be right. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly what: string;
  readonly right: string;
}

const byPlace = (a: Problem, b: Problem): number => a.file.localeCompare(b.file) || a.line - b.line;

/** Prints every problem, in order of place, and makes the process fail if there is one. */
export const report = (problems: readonly Problem[], whenFine: string): void => {
  for (const { file, line, what, right } of problems.toSorted(byPlace)) {
    console.error(`${file}:${line}  ${what}\n    right: ${right}`);
  }
  if (problems.length === 0) console.log(whenFine);
  else process.exitCode = 1;
};
