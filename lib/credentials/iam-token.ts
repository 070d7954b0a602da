/** What is used of the `Signer` of `@aws-sdk/rds-signer`. */
export interface TokenSigner {
  getAuthToken(): Promise<string>;
}

/**
 * IAM database authentication: a password function for `pg` that signs a fresh token for every connect. A token is good for
 * 15 minutes and is looked at only during the login (AWS, "IAM database authentication"), so a session outlives it, and
 * none is kept here. Signing is local work unless the AWS credentials themselves have to be renewed. The server takes tokens
 * over TLS only.
 *
 * Rejects with what the signer rejects with; the pool then has opened nothing and tries again.
 */
export const iamToken =
  (signer: TokenSigner): (() => Promise<string>) =>
  () =>
    signer.getAuthToken();
