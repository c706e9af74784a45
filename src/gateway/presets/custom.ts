import type { Preset } from './preset.ts'

/** A server of which nothing is known: what is open is what the operator allows. */
export const custom: Preset = {
  name: 'custom',
  routes: [],
  management: [],
  closedFields: [],
  refusesMediaByUrl: true,
  hasTags: false,
  models: 'any',
}
