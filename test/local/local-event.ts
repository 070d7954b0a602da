/** What happens in the local Lambda, as it is told to whoever listens. */
export type LocalEvent =
  | { readonly kind: 'started'; readonly environment: string; readonly pid: number; readonly initMs: number }
  | { readonly kind: 'frozen' | 'thawed'; readonly environment: string; readonly pid: number }
  | { readonly kind: 'ended'; readonly environment: string; readonly pid: number; readonly reason: EndReason }
  | { readonly kind: 'throttled'; readonly functionName: string }
  /** One line of what a function wrote. */
  | { readonly kind: 'line'; readonly environment: string; readonly text: string }
  | {
      readonly kind: 'request';
      readonly method: string;
      readonly path: string;
      readonly status: number;
      readonly ms: number;
    }
  | { readonly kind: 'scheduled'; readonly functionName: string; readonly result: string };

/** Why an environment's process is gone. */
export type EndReason =
  /** Nobody needed it for a while. */
  | 'reaped'
  /** Its invocation took longer than the function's timeout. */
  | 'timed out'
  /** Ended by somebody else, or by itself. */
  | 'killed'
  | 'init failed'
  /** Gone without a word to anybody, as with its host. */
  | 'vanished'
  /** The local Lambda itself ends. */
  | 'closed';

export type Listen = (event: LocalEvent) => void;
