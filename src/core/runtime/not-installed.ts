/** What Node says of a package that is not there, and what bundlers and Jest make of `import`. */
const codes: ReadonlySet<unknown> = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

/** Whether this is why an `import` failed: the package is not installed. */
export function isNotInstalled(cause: unknown): boolean {
  return codes.has((cause as { readonly code?: unknown } | undefined)?.code)
}
