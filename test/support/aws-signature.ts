import { createHash, createHmac, randomBytes } from 'node:crypto';

export interface Credentials {
  readonly keyId: string;
  readonly secret: string;
}

/** Made up: nobody's. */
export const freshCredentials = (): Credentials => ({
  keyId: `AKIA${randomBytes(8).toString('hex').toUpperCase()}`,
  secret: randomBytes(20).toString('hex'),
});

/** Where the SDK looks first, as on Lambda. */
export const environmentOf = ({ keyId, secret }: Credentials): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: keyId,
  AWS_SECRET_ACCESS_KEY: secret,
});

const ALGORITHM = 'AWS4-HMAC-SHA256';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** As signatures want it: stricter than `encodeURIComponent`. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/**
 * Whether somebody with these credentials has signed this address, a presigned URL without its protocol, for a GET without a
 * body. Written after AWS's description ("Create a signed AWS API request") and not with the SDK, which the tokens are made by.
 */
export const isSigned = (
  token: string,
  service: string,
  region: string,
  { keyId, secret }: Credentials,
): boolean => {
  const { host, searchParams } = new URL(`https://${token}`);
  const signature = searchParams.get('X-Amz-Signature');
  const at = searchParams.get('X-Amz-Date') ?? '';
  const scope = [at.slice(0, 8), region, service, 'aws4_request'];
  if (searchParams.get('X-Amz-Credential') !== [keyId, ...scope].join('/')) return false;
  const query = [...searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .toSorted();
  const request = ['GET', '/', query.join('&'), `host:${host}`, '', 'host', sha256('')].join('\n');
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return (
    signature === hmac(key, [ALGORITHM, at, scope.join('/'), sha256(request)].join('\n')).toString('hex')
  );
};
