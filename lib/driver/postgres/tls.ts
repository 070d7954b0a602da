import type pg from 'pg';
import type { RawClient } from './client.ts';

/** This very machine: a unix socket, or the loopback. A private address is not: it is another machine's. */
const LOCAL_HOST = /^(?:\/.*|localhost|.+\.localhost|127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3}|)$/i;

/** What a connection string can say about TLS; `sslmode=disable` looks to `pg` as if nothing had been said. */
const SAID_IN_TEXT = /[?&]ssl(?:mode)?=/i;

/**
 * TLS is the default towards every server that is not on this machine: encrypted, and the certificate verified for the host. The
 * user's word stands: `ssl` in the configuration, `ssl` or `sslmode` in the connection string, PGSSLMODE (`disable` aside,
 * which `pg` does not tell from nothing), and a `stream` of one's own, which may well be the TLS.
 */
export const needsTls = (config: pg.ClientConfig, { host, ssl }: RawClient): boolean => {
  const isSaid =
    Boolean(ssl) ||
    config.ssl !== undefined ||
    config.stream !== undefined ||
    SAID_IN_TEXT.test(config.connectionString ?? '');
  return !isSaid && !LOCAL_HOST.test(host);
};

const NO_TLS = 'The server does not support SSL connections';

/** The chain ends at nobody whom this process knows. */
const UNKNOWN_ISSUER: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** What to do about a failure of TLS, as a sentence for its message; empty for every other failure. */
export const tlsAdvice = (code: string, message: string): string => {
  if (message === NO_TLS)
    return ' TLS is the default towards other machines: `ssl: false`, or sslmode=disable in the connection string, does without.';
  if (UNKNOWN_ISSUER.has(code))
    return ' Nobody whom this process trusts has signed the certificate: name the CA, by `ssl: { ca }` or by NODE_EXTRA_CA_CERTS (for Amazon RDS and Aurora: global-bundle.pem).';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return ' The certificate is for another name: connect by the name that is in it.';
  return '';
};
