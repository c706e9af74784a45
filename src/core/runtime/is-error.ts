/**
 * Whether this is an error, of any realm: a test of Jest has an `Error` of its own, which what
 * Node's modules throw is no instance of.
 */
export function isError(thrown: unknown): thrown is Error {
  return thrown instanceof Error || Object.prototype.toString.call(thrown) === '[object Error]'
}
