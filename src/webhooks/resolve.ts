import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { DeliveryFailure } from './failure.ts'
import type { DeliveryReason } from './outbox.ts'
import { isLocalName, localAddresses } from './target.ts'
import type { TargetAddresses } from './target-address.ts'

/** Asks for a name's addresses, IPv4 and IPv6; none where it has none. */
export type ResolveName = (name: string, signal: AbortSignal) => Promise<readonly string[]>

/**
 * Asks the name servers, not the operating system: its own lookup holds one of a few threads while
 * a slow name server thinks, and a handful of such names would stop all deliveries. The hosts file
 * is not read.
 */
export async function resolveName(name: string, signal: AbortSignal): Promise<readonly string[]> {
  const resolver = new Resolver()
  const cancel = (): void => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/**
 * Most addresses of a name that one attempt tries: a long answer must not make this server knock at
 * doors for others.
 */
const triedMax = 8

/**
 * The addresses of a host that may be connected to: one look-up, each of its addresses checked. The
 * connection goes to these and to no other, so that a name server that answers differently the next
 * time (DNS rebinding) is never asked.
 *
 * @throws DeliveryFailure `name_unresolved`, or `address_denied` where there are addresses and none
 *   may be reached
 */
export async function resolveTarget(
  host: string,
  options: {
    readonly addresses: TargetAddresses
    readonly resolve: ResolveName
    readonly signal: AbortSignal
  },
): Promise<readonly string[]> {
  const found = await addressesOf(host, options.resolve, options.signal)
  const reachable = found.filter((address) => options.addresses.mayReach(address)).slice(0, triedMax)
  if (reachable.length > 0) return reachable
  const reason: DeliveryReason = found.length === 0 ? 'name_unresolved' : 'address_denied'
  throw new DeliveryFailure(reason)
}

async function addressesOf(
  host: string,
  resolve: ResolveName,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  if (isLocalName(host)) return localAddresses
  return resolve(host, signal)
}
