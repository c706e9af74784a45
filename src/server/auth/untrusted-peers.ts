import type { IncomingMessage } from 'node:http'
import { createAddressList } from '../../core/address-list.ts'
import { readClientAddress } from '../../core/client-address.ts'
import type { Clock } from '../../core/time.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'

export interface PeerOptions {
  /** Addresses and blocks of the proxies. */
  readonly trustProxy: readonly string[]
  /** Never jumps. */
  readonly monotonic: Clock
  readonly event: Telemetry['event']
}

/** Shortest time between two events about peers that may not ask, in milliseconds. */
const eventEveryMs = 60_000

/**
 * Tells who may ask for the verdict on another's request: a peer on this machine, and a proxy that
 * is trusted. Any other could try keys in the name of clients. Reports the others, once a minute at
 * most.
 */
export function createPeerCheck({ trustProxy, monotonic, event }: PeerOptions) {
  const proxies = createAddressList([...loopback, ...trustProxy])
  let isToldUntil = Number.NEGATIVE_INFINITY
  let requests = 0
  return function mayAsk({ socket }: IncomingMessage): boolean {
    const peer = readClientAddress(socket.remoteAddress)
    if (peer === undefined ? isUnixSocket(socket) : proxies?.has(peer) === true) return true
    requests += 1
    const now = monotonic()
    if (now < isToldUntil) return false
    isToldUntil = now + eventEveryMs
    event('forward_auth.untrusted', { peer: peer ?? 'unknown', requests })
    requests = 0
    return false
  }
}

const loopback = ['127.0.0.0/8', '::1']

/** A connection that is gone has no address either. */
function isUnixSocket({ destroyed, server }: UnixSocket): boolean {
  return destroyed !== true && typeof server?.address() === 'string'
}

interface UnixSocket {
  readonly destroyed?: boolean
  readonly server?: { readonly address: () => unknown } | undefined
}
