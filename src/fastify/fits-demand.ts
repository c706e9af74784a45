import type { Demand } from '../guard/demand.ts'

/**
 * The type that every object's own `toLocaleString` has, where the `guard` of a route's config has
 * the fields of a demand alone; else a sentence that names the field, which no object fits.
 *
 * Fastify infers the type of a config from what is written there, and to that type nothing there is
 * too much. An optional field that every object has is the one place in its types from which the
 * whole config is seen, by `this`, and that is compared with what was written.
 */
export type FitsDemand<Config> = Config extends { readonly guard?: infer Setting }
  ? [UnknownField<Setting>] extends [never]
    ? () => string
    : `a demand has no field ${UnknownField<Setting>}`
  : () => string

type UnknownField<Setting> = Setting extends string | undefined
  ? never
  : Exclude<keyof Setting, keyof Demand> & string
