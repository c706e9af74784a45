import type { IncomingMessage } from 'node:http'
import { Refusal } from '../../core/refusal.ts'

const close = { headers: { connection: 'close' } }
const noHost = new Refusal('request_malformed', 'The request has no Host header.', close)
const manyHosts = new Refusal('request_malformed', 'The request has more than one Host header.', close)
const unknownCoding = new Refusal('request_malformed', 'The only transfer coding here is chunked.', close)

/**
 * Refuses a head that two programs could understand in two ways, which Node lets through: no `Host` under HTTP/1.1 or several
 * (RFC 9112 §3.2), and a transfer coding that nobody here undoes (§6.1). Undefined where all is well.
 */
export function checkFraming({ headers, rawHeaders, httpVersion }: IncomingMessage): Refusal | undefined {
  if (headers.host === undefined) return httpVersion === '1.1' ? noHost : undefined
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return unknownCoding
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1 ? manyHosts : undefined
}
