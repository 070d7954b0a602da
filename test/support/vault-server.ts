import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** Secrets Manager, as far as one secret goes, for the SDK's real client: AWS's JSON protocol over HTTP. */
export class VaultServer implements AsyncDisposable {
  /** The secret's text by the stage of its version. */
  readonly versions = new Map<string, string>();
  /** Which stages were asked for, in this order. */
  readonly asked: string[] = [];
  /** Which credentials and region signed for it. */
  readonly signers = new Set<string>();
  readonly #arn: string;
  readonly #server: Server;

  static async start(arn: string): Promise<VaultServer> {
    const vault = new VaultServer(arn);
    await once(vault.#server.listen(0, '127.0.0.1'), 'listening');
    return vault;
  }

  private constructor(arn: string) {
    this.#arn = arn;
    this.#server = createServer(async (request, response) => {
      const { status, body } = await this.#answer(request);
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body: object }> {
    const { SecretId, VersionStage = 'AWSCURRENT' } = (await json(request)) as Record<string, string>;
    const { authorization = '', 'x-amz-target': target } = request.headers;
    const signer = /Credential=(?<key>\w+)\/\d{8}\/(?<where>[\w-]+\/secretsmanager)\//.exec(authorization);
    this.signers.add(`${signer?.groups?.['key']} ${signer?.groups?.['where']}`);
    this.asked.push(VersionStage);
    if (target !== 'secretsmanager.GetSecretValue') return failed('UnknownOperationException');
    const text = SecretId === this.#arn ? this.versions.get(VersionStage) : undefined;
    if (text === undefined) return failed('ResourceNotFoundException');
    return { status: 200, body: { ARN: SecretId, SecretString: text, VersionStages: [VersionStage] } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await once(this.#server.close(), 'close');
  }
}

const failed = (type: string) => ({ status: 400, body: { __type: type, message: 'No.' } });
