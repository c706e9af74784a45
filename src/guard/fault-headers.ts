const kept =
  /^(?:access-control-.*|cross-origin-.*|vary|connection|x-request-id|x-content-type-options|x-frame-options|referrer-policy|permissions-policy|strict-transport-security)$/

/**
 * Whether a header stays where a fault takes the place of an answer that was ready: those that a browser needs to read the fault at all,
 * and those that protect it. All others may tell of the answer, and nobody may learn of that.
 */
export function isKeptHeader(name: string): boolean {
  return kept.test(name)
}
