import { AsyncLocalStorage } from 'node:async_hooks';

/** A connection in a borrower's hands, as the invocation sees it in which it was borrowed. */
export interface OpenLoan {
  /** Ends the loan over the borrower's head. */
  takeBack(): void;
}

/** What the code inside an invocation knows of it without being told: how long it may still wait. */
export interface InvocationDeadline {
  /** Ms that may still be spent on waiting; the reserve for the work is already taken off. */
  remainingMs(): number;
  /** What is borrowed at the moment; for whoever takes back at the invocation's end what has been left lent. */
  readonly loans?: Set<OpenLoan>;
  /** It has ended, and what it had borrowed was taken back. */
  readonly isOver?: boolean;
}

const deadlines = new AsyncLocalStorage<InvocationDeadline>();

/** Set only where one invocation runs at a time. */
let soleDeadline: InvocationDeadline | undefined;

export const currentDeadline = (): InvocationDeadline | undefined => deadlines.getStore() ?? soleDeadline;

export const runWithDeadline = <Result>(deadline: InvocationDeadline, work: () => Result): Result =>
  deadlines.run(deadline, work);

/**
 * For frameworks whose hook returns before the work begins. Call it before the first `await` of the hook: after one, Node 24
 * loses the store, and Node 22 leaks it to other invocations.
 */
export const enterDeadline = (deadline: InvocationDeadline): void => deadlines.enterWith(deadline);

/**
 * Where one invocation runs at a time, its deadline holds also for code that has lost the asynchronous context: middy 6
 * runs its hooks in a function of their own, and what they enter after an `await` ends with it.
 */
export const setSoleDeadline = (deadline: InvocationDeadline): void => {
  soleDeadline = deadline;
};

export const clearSoleDeadline = (deadline: InvocationDeadline): void => {
  if (soleDeadline === deadline) soleDeadline = undefined;
};
