import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';

export type Answer = APIGatewayProxyStructuredResultV2;
type Headers = Readonly<Record<string, string>>;

/** What every answer says, whatever it is. */
const GUARDED: Headers = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'X-Robots-Tag': 'noindex, nofollow',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

const NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * The page gets its own script, style, icon and JSON, and nothing from anywhere else. Names of groups are other people's text:
 * with trusted types no text can become markup, whatever the script does wrong.
 */
const PAGE_POLICY = [
  NOTHING,
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export const jsonAnswer = (statusCode: number, body: unknown, headers: Headers = {}): Answer => ({
  statusCode,
  headers: {
    ...GUARDED,
    'Content-Type': 'application/json; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': NOTHING,
    ...headers,
  },
  body: JSON.stringify(body),
});

/** Its assets' names change with their contents, so the page itself is asked for each time. */
export const pageAnswer = (body: string): Answer => ({
  statusCode: 200,
  headers: {
    ...GUARDED,
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': PAGE_POLICY,
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  },
  body,
});

/** Named after its content: it never changes. */
export const assetAnswer = ({ type, body }: { readonly type: string; readonly body: string }): Answer => ({
  statusCode: 200,
  headers: {
    ...GUARDED,
    'Content-Type': type,
    'Cache-Control': 'public, max-age=31536000, immutable',
    // An image that is opened by itself is a document.
    'Content-Security-Policy': NOTHING,
  },
  body,
});

/** Relative: nobody knows here which prefix a stage or a domain has put in front. */
export const redirectAnswer = (location: string): Answer => ({
  statusCode: 308,
  headers: { ...GUARDED, Location: location, 'Cache-Control': 'no-store' },
  body: '',
});
