import pg from 'pg';
import { iamToken } from '../lib/credentials/iam-token.ts';
import { rotatingSecret } from '../lib/credentials/rotating-secret.ts';
import type { Driver } from '../lib/driver/driver.ts';
import { postgresDriver } from '../lib/driver/postgres.ts';
import type { DatabaseSettings } from './settings.ts';

/** The leased role's driver. Whatever proves who we are is asked for before each connect, and loaded with the first. */
export const openDatabase = (settings: DatabaseSettings): Driver<pg.Client> => {
  const { url, auth } = settings;
  if (auth === 'url') return postgresDriver(pg, { connectionString: url });
  const password =
    auth === 'iam'
      ? async () => iamToken(await signerOf(url, settings.region))()
      : rotatingSecret((refused) => readSecret(settings, refused));
  return postgresDriver(pg, { connectionString: url, password });
};

/** The user whose sessions are the leased ones. */
export const userOf = (url: string): string => decodeURIComponent(new URL(url).username);

const POSTGRES_PORT = 5_432;

const signerOf = async (url: string, region: string) => {
  const { Signer } = await import('@aws-sdk/rds-signer');
  const { hostname, port } = new URL(url);
  return new Signer({ hostname, port: Number(port || POSTGRES_PORT), username: userOf(url), region });
};

type SecretSettings = Extract<DatabaseSettings, { auth: 'secret' }>;

const readSecret = async (
  { secretArn, region }: SecretSettings,
  refused: string | undefined,
): Promise<string> => {
  const { GetSecretValueCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager');
  const vault = new SecretsManagerClient({ region });
  const read = async (VersionStage: string): Promise<string> => {
    const { SecretString = '' } = await vault.send(
      new GetSecretValueCommand({ SecretId: secretArn, VersionStage }),
    );
    return passwordIn(SecretString);
  };
  const current = await read('AWSCURRENT');
  // Between the steps of a rotation only the pending version is right.
  return current === refused ? read('AWSPENDING').catch(() => current) : current;
};

/** As RDS writes its secrets, `{ "username": …, "password": … }`; or the password by itself. */
const passwordIn = (text: string): string => {
  const { password } = fieldsOf(text) ?? { password: text };
  if (typeof password === 'string') return password;
  throw new Error('The secret has no field "password".');
};

/** Undefined: it is no object; a password of digits is JSON, too. */
const fieldsOf = (text: string): { readonly password?: unknown } | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
};
