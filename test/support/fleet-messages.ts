import type { MemberSettings } from './fleet-member.ts';

/** What a fleet's test and its processes say to each other. */

/** An error as the child's caller caught it. */
export interface ChildError {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
}

export interface ChildSettings {
  readonly settings: MemberSettings;
  readonly pools: number;
}

export type ChildCommand =
  | {
      readonly kind: 'use';
      readonly pool: number;
      readonly statements: readonly string[];
      readonly gapMs: number;
    }
  | { readonly kind: 'load'; readonly statement: string; readonly forMs: number }
  | { readonly kind: 'close' };

export interface LoadResult {
  readonly served: number;
  /** How often each error was caught, by its code or name. */
  readonly failed: Readonly<Record<string, number>>;
}

export type ChildMessage =
  | { readonly kind: 'rows'; readonly id: number; readonly rows: unknown[] }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ChildError }
  | { readonly kind: 'loaded'; readonly id: number; readonly result: LoadResult }
  | { readonly kind: 'done'; readonly id: number }
  | { readonly kind: 'mark'; readonly name: string }
  | { readonly kind: 'event'; readonly name: string; readonly event: unknown }
  | { readonly kind: 'accident'; readonly text: string };
