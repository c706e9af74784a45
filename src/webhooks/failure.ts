import type { DeliveryReason } from './outbox.ts'

/**
 * An attempt at a delivery came to nothing. Bears neither the URL nor anything the receiver sent.
 */
export class DeliveryFailure extends Error {
  readonly reason: DeliveryReason

  constructor(reason: DeliveryReason) {
    super(`the webhook was not delivered: ${reason}`)
    this.name = 'DeliveryFailure'
    this.reason = reason
  }
}

/** Why an attempt failed, of whatever it was that the connection or the resolver threw. */
export function reasonOf(thrown: unknown): DeliveryReason {
  if (thrown instanceof DeliveryFailure) return thrown.reason
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  return tlsCodes.test(code) ? 'tls' : 'connection'
}

/** Node's and OpenSSL's codes of a certificate that is not right, or a handshake that failed. */
const tlsCodes =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|EPROTO)/
