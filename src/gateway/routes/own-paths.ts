/**
 * What the server answers itself, whatever an upstream has: health, documentation, jobs and
 * administration. A star stands for any rest.
 */
const ownPaths: readonly string[] = [
  '/health',
  '/ready',
  '/metrics',
  '/docs',
  '/docs/*',
  '/openapi.json',
  '/session',
  '/predict',
  '/predict/*',
  '/models',
  '/models/*',
  '/jobs',
  '/jobs/*',
  '/webhooks/*',
  '/v1/keys',
  '/v1/keys/*',
  '/v1/owners',
  '/v1/owners/*',
  '/v1/usage',
  '/v1/usage/*',
  '/v1/ledger',
  '/v1/ledger/*',
  '/v1/jobs',
  '/v1/jobs/*',
  '/v1/webhooks/*',
  '/v1/nodes',
  '/v1/forward-auth/*',
  '/v1/upstreams',
  '/v1/upstreams/*',
]

/**
 * Whether the server answers a request itself. Its `GET /` leads to the documentation; `HEAD /` is
 * how clients of Ollama ask whether the server is there.
 */
export function isOwnRoute(method: string, path: string): boolean {
  if (path === '/') return method === 'GET'
  return ownPaths.some((pattern) => matchesPattern(pattern, path))
}

/** Whether a path is this one, letter by letter, or begins as one does that ends with a star. */
export function matchesPattern(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern
}
