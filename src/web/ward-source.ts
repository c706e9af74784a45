import type { OptionRule } from '../core/check-options.ts'
import { Fault } from '../core/fault.ts'
import { checkWard, wardRule } from '../guard/adapter-options.ts'
import type { Guard } from '../guard/guard.ts'

/**
 * A ward, or what opens it when the first request comes: a build that only imports a route must not
 * open a data folder.
 */
export type WardSource<Required extends boolean = boolean> =
  | { readonly guard: Guard<Required> }
  | (() => Promise<{ readonly guard: Guard<Required> }>)

export const wardSourceRule: OptionRule = {
  expected: 'a ward, from openModelward or createTestWard, or a function that opens one',
  accepts: (source) => typeof source === 'function' || wardRule.accepts(source),
  isRequired: true,
}

/**
 * The guard of a ward, opened once for all requests; where that fails, the next request tries
 * again.
 *
 * @throws Fault `store_unavailable` while it cannot be opened
 */
export function openGuard<Required extends boolean>(
  source: WardSource<Required>,
): () => Guard<Required> | Promise<Guard<Required>> {
  if (typeof source !== 'function') {
    checkWard('guard', source)
    return () => source.guard
  }
  let opening: Promise<Guard<Required>> | undefined
  return () => {
    opening ??= open(source).catch((cause) => {
      opening = undefined
      throw new Fault('store_unavailable', 'the ward could not be opened', { cause })
    })
    return opening
  }
}

async function open<Required extends boolean>(
  source: () => Promise<{ readonly guard: Guard<Required> }>,
): Promise<Guard<Required>> {
  const ward: unknown = await source()
  checkWard('guard', ward)
  return (ward as { readonly guard: Guard<Required> }).guard
}
