import type { CacheIdentity } from './settings.ts';

/** A token is good for 15 minutes (AWS, "Authenticating with IAM"). */
const GOOD_FOR_S = 900;

/**
 * Signs a token by which ElastiCache knows an IAM identity: a presigned URL without its protocol. The credentials are those of the
 * function's role. The SDK's parts are loaded with the first token: who has a password needs none of them.
 */
export const cacheToken =
  ({ cache, isServerless, user, region }: CacheIdentity): (() => Promise<string>) =>
  async () => {
    const [{ SignatureV4 }, { Sha256 }, { HttpRequest }, { defaultProvider }] = await Promise.all([
      import('@smithy/signature-v4'),
      import('@smithy/core/checksum'),
      import('@smithy/core/protocols'),
      import('@aws-sdk/credential-provider-node'),
    ]);
    const signer = new SignatureV4({
      service: 'elasticache',
      region,
      credentials: defaultProvider(),
      sha256: Sha256,
    });
    const request = new HttpRequest({
      method: 'GET',
      protocol: 'https:',
      hostname: cache,
      path: '/',
      query: {
        Action: 'connect',
        User: user,
        ...(isServerless ? { ResourceType: 'ServerlessCache' } : {}),
      },
      headers: { host: cache },
    });
    const { query } = await signer.presign(request, { expiresIn: GOOD_FOR_S });
    return `${cache}/?${new URLSearchParams(query as Record<string, string>)}`;
  };
