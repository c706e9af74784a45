import { SetupError } from '../core/setup-error.ts'

const unavailable = new Set(['EADDRNOTAVAIL', 'EACCES', 'ENOTFOUND', 'EAI_AGAIN', 'EAFNOSUPPORT', 'EINVAL'])

/**
 * Why a server cannot listen: the SetupError `address_in_use` or `address_unavailable` that it is,
 * or the error as it is.
 */
export function listenErrorOf(
  cause: unknown,
  { host, port }: { readonly host: string; readonly port: number },
): unknown {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'EADDRINUSE')
    return new SetupError(
      'address_in_use',
      `${host}:${port}: another program listens there; stop it, or name another port: --port ${port === 65_535 ? 8_000 : port + 1}`,
      { cause },
    )
  if (unavailable.has(code))
    return new SetupError('address_unavailable', `${host}:${port}: cannot listen there (${code})`, { cause })
  return cause
}
