import type { Maybe } from '../core/after.ts'
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

/** The guard of a ward, opened once for all requests. */
export interface GuardSource<Required extends boolean> {
  /**
   * Opens it; where that fails, the next request tries again.
   *
   * @throws Fault `store_unavailable` while it cannot be opened
   */
  readonly open: () => Maybe<Guard<Required>>
  /** Undefined until it has been opened. */
  readonly opened: () => Guard<Required> | undefined
}

/** @throws TypeError for what is no ward */
export function guardSource<Required extends boolean>(source: WardSource<Required>): GuardSource<Required> {
  if (typeof source !== 'function') {
    checkWard('guard', source)
    return { open: () => source.guard, opened: () => source.guard }
  }
  let opening: Promise<Guard<Required>> | undefined
  let opened: Guard<Required> | undefined
  return {
    open() {
      opening ??= open(source).then(
        (guard) => {
          opened = guard
          return guard
        },
        (cause: unknown) => {
          opening = undefined
          throw new Fault('store_unavailable', 'the ward could not be opened', { cause })
        },
      )
      return opening
    },
    opened: () => opened,
  }
}

async function open<Required extends boolean>(
  source: () => Promise<{ readonly guard: Guard<Required> }>,
): Promise<Guard<Required>> {
  const ward: unknown = await source()
  checkWard('guard', ward)
  return (ward as { readonly guard: Guard<Required> }).guard
}
