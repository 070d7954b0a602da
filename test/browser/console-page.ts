import axe, { type AxeResults } from 'axe-core';
import { Redis } from 'ioredis';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { lambdaRedisOptions, redisRegistry } from '../../lib/registry/redis/redis-registry.ts';
import { eventually } from '../support/eventually.ts';
import { type RedisHarness, redisHarness, Scene, SETTINGS } from '../support/registry-harness.ts';
import { freshNamespace, redisUrl } from '../support/servers.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { openSite, type Site } from './site.ts';

export const RESOURCE = 'orders';

interface Wanted extends BrowserContextOptions {
  /** What a stage puts in front of every path. */
  readonly prefix?: string;
}

/** Whatever goes wrong in a page is written down there, from the first instruction on. */
const WATCH = `
  globalThis.violations = [];
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    globalThis.violations.push(violatedDirective + ' ' + blockedURI));
`;

/**
 * One console in a real browser, over the status function, over a registry in a real Redis. The test's own harness sets the
 * registry's clock; the function reaches the same Redis by a way of its own that can be cut.
 */
export class ConsolePage implements AsyncDisposable {
  readonly page: Page;
  readonly scene: Scene;
  readonly site: Site;
  readonly way: TcpProxy;
  /** What the browser complained about. */
  readonly complaints: string[] = [];
  readonly #harness: RedisHarness;
  readonly #client: Redis;

  private constructor(page: Page, harness: RedisHarness, client: Redis, site: Site, way: TcpProxy) {
    this.page = page;
    this.scene = new Scene(harness, RESOURCE, { ...SETTINGS, capacity: 12, headroom: 2, waitersMax: 50 });
    this.site = site;
    this.way = way;
    this.#harness = harness;
    this.#client = client;
  }

  static async open(browser: Browser, { prefix = '', ...options }: Wanted = {}): Promise<ConsolePage> {
    const namespace = freshNamespace();
    const harness = await redisHarness(redisUrl(), namespace);
    const { hostname, port } = new URL(redisUrl());
    const way = await startTcpProxy({ host: hostname, port: Number(port || 6379) });
    const client = new Redis(way.port, way.host, lambdaRedisOptions);
    client.on('error', () => undefined);
    const looking = redisRegistry(client, { namespace, timeoutMs: 500 });
    const site = await openSite({
      // The scripts' clock is the harness's; the call goes over the way that can be cut.
      registry: {
        namespace: looking.namespace,
        inspect: async (resource, entries) => {
          await looking.inspect('way-is-open');
          return harness.registry.inspect(resource, entries);
        },
      },
      resource: RESOURCE,
      prefix,
    });
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
    const it = new ConsolePage(page, harness, client, site, way);
    await it.#watch();
    return it;
  }

  async #watch(): Promise<void> {
    const { page, complaints, site } = this;
    await page.addInitScript(WATCH);
    page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    const { origin } = new URL(site.url);
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) complaints.push(`asks elsewhere: ${request.url()}`);
    });
  }

  /** Opens the page, and waits until it has heard something. */
  async visit(): Promise<this> {
    await this.page.goto(this.site.url);
    await this.until('body[data-state]', () => true);
    return this;
  }

  get polls(): number {
    return this.site.requests.filter((request) => request.endsWith('/status')).length;
  }

  /** As it is laid out. */
  text(selector: string): Promise<string> {
    // biome-ignore lint/performance/useDomNodeTextContent: a reader sees cells apart, and nothing that is hidden
    return this.page.innerText(selector, { timeout: 5_000 });
  }

  texts(selector: string): Promise<string[]> {
    return this.page.locator(selector).allInnerTexts();
  }

  /** Until the element's text is, or fits, what is wanted. */
  until(selector: string, wanted: string | RegExp | ((text: string) => boolean)): Promise<string> {
    return eventually(
      async () => {
        const text = await this.text(selector);
        const isThere =
          typeof wanted === 'string'
            ? text.trim() === wanted
            : wanted instanceof RegExp
              ? wanted.test(text)
              : wanted(text);
        return isThere && (text || ' ');
      },
      { what: `${selector} with ${String(wanted)}`, timeoutMs: 15_000, everyMs: 20 },
    );
  }

  /** The next answers of the status function have been asked for. */
  async afterPolls(count: number): Promise<void> {
    const wanted = this.polls + count;
    await eventually(() => this.polls >= wanted, { what: `${count} polls`, timeoutMs: 20_000, everyMs: 20 });
  }

  evaluate<Value>(script: string): Promise<Value> {
    return this.page.evaluate(script) as Promise<Value>;
  }

  violations(): Promise<string[]> {
    return this.evaluate('globalThis.violations');
  }

  /** What axe finds wrong, by rule and place. */
  async barriers(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const { violations } = await this.evaluate<AxeResults>('axe.run(document)');
    return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
    await this.site[Symbol.asyncDispose]();
    this.#client.disconnect();
    await this.way.stop();
    await this.#harness.close();
  }
}
