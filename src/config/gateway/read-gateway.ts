import { suggest } from '../../core/suggest.ts'
import type { CredentialSource, GatewaySettings } from '../../gateway/gateway-settings.ts'
import { findRouteConflicts } from '../../gateway/routes/gateway-routes.ts'
import type { ConfigFault } from '../config-fault.ts'
import { showValue } from '../config-fault.ts'
import type { GatewayInputs } from './gateway-settings.ts'
import { readUpstream } from './read-upstream.ts'

/** The upstream of the flag, the variable, or the file's `upstream`. */
const flagName = 'upstream'

/**
 * The gateway that the settings describe; undefined where they name no upstream.
 *
 * @param key where the credential of `upstream` stands
 */
export function readGateway(
  inputs: GatewayInputs,
  key: CredentialSource | undefined,
): GatewaySettings | undefined {
  const { upstream: url, preset, upstreams, models, gatewayBodyMax: bodyMax, answerMax } = inputs
  const ofFlag =
    url === undefined || preset === undefined
      ? []
      : [readUpstream(flagName, { url, preset, ...(key && { key }) })]
  const all = [...ofFlag, ...upstreams]
  return all.length === 0 ? undefined : { upstreams: all, models, bodyMax, answerMax }
}

/**
 * What is right by itself and wrong together.
 *
 * @param originOf where a setting came from
 * @param found what is wrong already: of settings that cannot be read nothing more is said
 */
export function findGatewayFaults(
  inputs: GatewayInputs,
  originOf: (name: keyof GatewayInputs) => string,
  found: readonly ConfigFault[],
): readonly ConfigFault[] {
  if (found.some(({ where }) => /upstream|preset|models/i.test(where))) return []
  const { upstream, preset, upstreams } = inputs
  const faults: ConfigFault[] = []
  if (upstream !== undefined && preset === undefined)
    faults.push({ where: originOf('upstream'), expected: 'a preset beside it', got: 'it alone' })
  // In the environment it may wait for a flag.
  if (upstream === undefined && preset !== undefined && !originOf('preset').startsWith('MODELWARD_'))
    faults.push({ where: originOf('preset'), expected: 'an upstream beside it', got: 'it alone' })
  if (upstream !== undefined && upstreams.length > 0)
    faults.push({
      where: `${originOf('upstream')}, ${originOf('upstreams')}`,
      expected: 'one of the two: several upstreams stand in the file',
      got: 'both',
    })
  if (faults.length > 0) return faults
  return [...findUnknownTargets(inputs, originOf), ...findConflicts(inputs, originOf)]
}

function findUnknownTargets(
  { upstreams, models }: GatewayInputs,
  originOf: (name: keyof GatewayInputs) => string,
): readonly ConfigFault[] {
  const names = upstreams.length === 0 ? [flagName] : upstreams.map(({ name }) => name)
  return models.flatMap(({ name, to }) =>
    to.flatMap(({ upstream }, index) => {
      if (names.includes(upstream)) return []
      const meant = suggest(upstream, names)
      const hint = meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`
      const where = `${originOf('models')}.${name}.to[${index}].upstream`
      return [{ where, expected: 'the name of an upstream', got: showValue(upstream), hint }]
    }),
  )
}

function findConflicts(
  { upstreams }: GatewayInputs,
  originOf: (name: keyof GatewayInputs) => string,
): readonly ConfigFault[] {
  return findRouteConflicts(upstreams).map(({ method, path, upstreams: [first, second] }) => ({
    where: `${originOf('upstreams')}.${second}`,
    expected: 'routes that no other upstream answers in another way',
    got: `${method} ${path}, which is one of ${first} too`,
    hint: 'give one of the two a `prefix`, or close the route of one',
  }))
}
