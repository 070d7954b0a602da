/**
 * A password that can change under a running process. It is a function, so `pg` takes it as `password`, and it knows more: a
 * driver that knows it too tells it when the server has refused what it gave, and hears of a change.
 */
export interface RenewablePassword {
  /** The password of the next connect. */
  (): Promise<string>;
  /** The server has refused this password. True: there is another one now, so that one more attempt makes sense. Never rejects. */
  renew(refused: string): Promise<boolean>;
  /** Called when it has changed: what was opened before has been opened with an older one. */
  onChange(listener: () => void): Disposable;
}

export const isRenewable = (value: unknown): value is RenewablePassword =>
  typeof value === 'function' &&
  ['renew', 'onChange'].every((name) => typeof Reflect.get(value, name) === 'function');
