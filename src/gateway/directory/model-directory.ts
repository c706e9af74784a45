import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import { anyModelScope, defaultScope, hasScope, isScope, isShortName, modelScope } from '../../core/scope.ts'
import type { Demand } from '../../guard/demand.ts'
import type { ModelSettings } from '../gateway-settings.ts'
import type { Upstream } from '../upstreams/upstream.ts'

/** What a key needs to ask for any model at all. */
export const anyModelScopes: readonly string[] = [defaultScope, anyModelScope]

/** An upstream and the name that it knows a model by. */
export interface Destination {
  readonly upstream: Upstream
  /** Its own spelling; undefined where the body names no model, and it has only one. */
  readonly model: string
}

/** What a public name means. */
export interface ResolvedModel {
  readonly publicName: string
  /** Tried in order. */
  readonly to: readonly Destination[]
  /** What a key needs beside what the route asks. */
  readonly demand: Demand
  /** Scopes of which a key needs one. */
  readonly scopes: readonly string[]
  /** Tokens of an answer whose client set no bound, in place of the upstream's. */
  readonly output: number | undefined
}

export interface ModelDirectory {
  /**
   * The model that a call asks for.
   *
   * @param name undefined where the body names none
   * @param upstreams those that serve the route
   * @throws Refusal `model_not_found`, `input_invalid` where none is named and several are there;
   *   Fault `upstream_unavailable` where no upstream could be asked for its models
   */
  readonly resolve: (name: string | undefined, upstreams: readonly Upstream[]) => Promise<ResolvedModel>
  /** The public names that a key with these scopes may use, sorted. */
  readonly list: (scopes: readonly string[], upstreams: readonly Upstream[]) => Promise<readonly string[]>
}

/** Most public names that are remembered with their demand. */
const resolvedMax = 20_000

/** Which models there are: those of the configuration, and those that upstreams list themselves. */
export function createModelDirectory(
  models: readonly ModelSettings[],
  all: readonly Upstream[],
): ModelDirectory {
  const aliases = new Map(models.map((model) => [model.name, model]))
  const aliasOf = createAliasSearch(models)
  const byName = new Map(all.map((upstream) => [upstream.settings.name, upstream]))
  const remember = createMemory()

  function ofAlias(alias: ModelSettings, upstreams: readonly Upstream[]): ResolvedModel | undefined {
    const to = alias.to.flatMap(({ upstream: name, model }) => {
      const upstream = byName.get(name)
      return upstream !== undefined && upstreams.includes(upstream) ? [{ upstream, model }] : []
    })
    if (to.length === 0) return undefined
    const id = JSON.stringify(['alias', alias.name, to.map(({ upstream }) => upstream.settings.name)])
    return remember(id, () => ({ ...describe(alias.name, alias.limits), to, output: alias.output }))
  }

  /** Its limits are those of the configured model of this name, where there is one. */
  function ofUpstream(upstream: Upstream, model: string): ResolvedModel {
    const { name = model, limits = [], output } = aliasOf(model) ?? {}
    const id = JSON.stringify(['own', upstream.settings.name, model])
    return remember(id, () => ({ ...describe(name, limits), to: [{ upstream, model }], output }))
  }

  async function resolve(name: string | undefined, upstreams: readonly Upstream[]): Promise<ResolvedModel> {
    if (name === undefined) return onlyModel(upstreams)
    const alias = aliases.get(name)
    const own = alias && ofAlias(alias, upstreams)
    if (own !== undefined) return own
    let hasAsked = true
    for (const upstream of upstreams) {
      if (upstream.settings.models !== 'any') continue
      const listed = await upstream.models()
      if (listed === undefined) hasAsked = false
      const model = listed && findListed(name, listed, upstream.preset.hasTags)
      if (model === undefined) continue
      const same = aliasOf(model)
      return (same && ofAlias(same, upstreams)) ?? ofUpstream(upstream, model)
    }
    if (!hasAsked) throw new Fault('upstream_unavailable', 'no upstream could be asked for its models')
    throw new Refusal('model_not_found', undefined, { reason: 'no such model' })
  }

  async function onlyModel(upstreams: readonly Upstream[]): Promise<ResolvedModel> {
    for (const upstream of upstreams) {
      const listed = upstream.settings.models === 'any' ? await upstream.models() : []
      if (listed === undefined)
        throw new Fault('upstream_unavailable', 'the upstream could not be asked for its models')
      const [only, ...others] = listed
      if (only !== undefined && others.length === 0) return ofUpstream(upstream, only)
    }
    throw modelMissing()
  }

  return {
    resolve,
    async list(scopes, upstreams) {
      const names = new Set<string>()
      for (const alias of models) if (ofAlias(alias, upstreams) !== undefined) names.add(alias.name)
      for (const upstream of upstreams)
        if (upstream.settings.models === 'any')
          for (const name of (await upstream.models()) ?? []) names.add(name)
      return [...names].filter((name) => mayUse(scopes, scopesOf(name))).toSorted()
    },
  }
}

/** A demand is one object for each model: the guard remembers by it what a key's limits are. */
function createMemory(): (id: string, make: () => ResolvedModel) => ResolvedModel {
  const resolved = new Map<string, ResolvedModel>()
  return (id, make) => {
    const known = resolved.get(id)
    if (known !== undefined) return known
    if (resolved.size >= resolvedMax) resolved.clear()
    const made = make()
    resolved.set(id, made)
    return made
  }
}

/** What one scope opens has one set of limits, however its name is written. */
function createAliasSearch(models: readonly ModelSettings[]): (name: string) => ModelSettings | undefined {
  const exact = new Map(models.map((model) => [model.name, model]))
  const byScope = new Map(models.map((model) => [scopeNameOf(model.name), model]))
  return (name) => exact.get(name) ?? byScope.get(scopeNameOf(name))
}

/** Whether a key with these scopes may ask for a model that needs one of those. */
export function mayUse(owned: readonly string[], wanted: readonly string[]): boolean {
  return wanted.some((scope) => hasScope(owned, scope))
}

/** The scope of a name with the tag `latest`, and without it, is one. */
function scopesOf(publicName: string): readonly string[] {
  const names = new Set([publicName.toLowerCase(), scopeNameOf(publicName)])
  return [defaultScope, ...[...names].map(modelScope).filter(isScope)]
}

function scopeNameOf(publicName: string): string {
  const name = publicName.toLowerCase()
  return name.endsWith(latest) ? name.slice(0, -latest.length) : name
}

const latest = ':latest'

function describe(
  publicName: string,
  limits: readonly string[],
): Pick<ResolvedModel, 'publicName' | 'scopes' | 'demand'> {
  const scopes = scopesOf(publicName)
  const limitName = `models/${publicName.toLowerCase()}`
  const own = limits.length > 0 && {
    limits,
    ...(isShortName(limitName) && { name: limitName }),
  }
  return { publicName, scopes, demand: { anyScope: scopes, model: publicName.slice(0, 100), ...own } }
}

/** The upstream's own spelling of a name: the same, with its tag, or in another letter case. */
function findListed(name: string, listed: readonly string[], hasTags: boolean): string | undefined {
  const tagged = hasTags && !name.includes(':', name.lastIndexOf('/') + 1) ? `${name}${latest}` : name
  if (listed.includes(name)) return name
  if (listed.includes(tagged)) return tagged
  const wanted = tagged.toLowerCase()
  const [only, ...others] = listed.filter((one) => one.toLowerCase() === wanted)
  return others.length === 0 ? only : undefined
}

function modelMissing(): Refusal {
  return new Refusal('input_invalid', 'The call names no model.', {
    errors: [{ loc: ['body', 'model'], msg: 'Field required', type: 'missing' }],
  })
}
