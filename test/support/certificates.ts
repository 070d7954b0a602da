import { execFile } from 'node:child_process';
import { chmod, chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder } from './kept-process.ts';
import { serverOwner } from './postgres.ts';

const run = promisify(execFile);

export interface Certificates {
  readonly folder: string;
  /** The certificate of an authority that nobody knows. */
  readonly ca: string;
  /** What it has signed: the server's certificate, and its key. */
  readonly certificate: string;
  readonly key: string;
}

const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

/** Made at run time, so that no secret is in a file of the project. `address`: the one that the certificate is for. */
export const makeCertificates = async (address: string): Promise<Certificates> => {
  const owner = await serverOwner();
  const folder = await makeFolder('certificates', owner);
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args, { cwd: folder });
  const ca = ['-keyout', file('ca.key'), '-out', file('ca.pem')];
  await openssl('req', '-x509', ...P256, ...ca, '-subj', '/CN=Test authority');
  await openssl(
    'req',
    ...P256,
    '-keyout',
    file('key.pem'),
    '-out',
    file('request.pem'),
    '-subj',
    '/CN=server',
  );
  await writeFile(file('names.cnf'), `subjectAltName=IP:${address}\n`);
  const authority = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2'];
  const signed = ['-in', file('request.pem'), '-extfile', file('names.cnf'), '-out', file('certificate.pem')];
  await openssl('x509', '-req', ...authority, ...signed);
  if (owner) await chown(file('key.pem'), owner.uid, owner.gid);
  await chmod(file('key.pem'), 0o600);
  for (const name of ['ca.pem', 'certificate.pem']) await chmod(file(name), 0o644);
  return { folder, ca: file('ca.pem'), certificate: file('certificate.pem'), key: file('key.pem') };
};
