/** The only file that makes randomness. Everything that needs some takes a `Random`, so a test can seed it. */
export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** A fresh id: 16 base64url characters, 96 bits. */
  id(): string;
}

export const systemRandom: Random = {
  fraction: () => Math.random(),
  id: () => {
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    return Buffer.from(bytes).toString('base64url');
  },
};
