import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import { anyModelScope, defaultScope, hasScope, isScope, isShortName, modelScope } from '../../core/scope.ts'
import type { Demand } from '../../guard/demand.ts'
import type { ModelSettings } from '../gateway-settings.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import { latestTag, untagged } from './model-name.ts'

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
  /**
   * The public names that a key with these scopes may use, sorted; of upstreams that cannot be
   * asked those that are known.
   *
   * @throws Fault `upstream_unavailable` where no name of any upstream is known
   */
  readonly list: (scopes: readonly string[], upstreams: readonly Upstream[]) => Promise<readonly string[]>
}

/** Most public names that are remembered with their demand. */
const resolvedMax = 20_000

/** Which models there are: those of the configuration, and those that upstreams list themselves. */
export function createModelDirectory(
  models: readonly ModelSettings[],
  all: readonly Upstream[],
): ModelDirectory {
  const aliases = createAliases(models)
  const { ofAlias, ofUpstream } = createResolved(all)

  async function resolve(name: string | undefined, upstreams: readonly Upstream[]): Promise<ResolvedModel> {
    if (name === undefined) return onlyModel(upstreams)
    const alias = aliases.find(name)
    if (alias !== undefined) return ofAlias(alias, upstreams) ?? refuseUnknown()
    const found = (await findListed(name, upstreams, false)) ?? (await findListed(name, upstreams, true))
    if (found === undefined) return refuseUnknown()
    return ofListed(found.upstream, found.model, upstreams)
  }

  /** What an upstream lists under an alias's name is that alias, with its limits. */
  function ofListed(upstream: Upstream, model: string, upstreams: readonly Upstream[]): ResolvedModel {
    const alias = aliases.find(model)
    if (alias === undefined) return ofUpstream(upstream, model)
    return ofAlias(alias, upstreams) ?? refuseUnknown()
  }

  async function onlyModel(upstreams: readonly Upstream[]): Promise<ResolvedModel> {
    for (const upstream of upstreams.filter(listsItself)) {
      const names = await upstream.models()
      if (names === undefined)
        throw new Fault('upstream_unavailable', 'the upstream could not be asked for its models')
      const [only, ...others] = names
      if (only !== undefined && others.length === 0) return ofListed(upstream, only, upstreams)
    }
    throw modelMissing()
  }

  return {
    resolve,
    async list(scopes, upstreams) {
      const lists = await Promise.all(upstreams.filter(listsItself).map((upstream) => upstream.models()))
      const own = lists.flatMap((names = []) => names).filter((name) => aliases.find(name) === undefined)
      const served = models.filter((alias) => ofAlias(alias, upstreams) !== undefined)
      const all = new Set([...served.map(({ name }) => name), ...own])
      // An empty list would say that there are no models.
      if (all.size === 0 && lists.includes(undefined))
        throw new Fault('upstream_unavailable', 'no upstream could be asked for its models')
      return [...all].filter((name) => mayUse(scopes, scopesOf(name))).toSorted()
    },
  }
}

/** What names mean, remembered. */
function createResolved(all: readonly Upstream[]): {
  /** Undefined: none of its upstreams serves the route. */
  readonly ofAlias: (alias: ModelSettings, upstreams: readonly Upstream[]) => ResolvedModel | undefined
  readonly ofUpstream: (upstream: Upstream, model: string) => ResolvedModel
} {
  const byName = new Map(all.map((upstream) => [upstream.settings.name, upstream]))
  // A demand is one object for each model: the guard remembers by it what a key's limits are.
  const resolved = new Map<string, ResolvedModel>()

  function remember(id: string, make: () => ResolvedModel): ResolvedModel {
    const known = resolved.get(id)
    if (known !== undefined) return known
    if (resolved.size >= resolvedMax) resolved.clear()
    const made = make()
    resolved.set(id, made)
    return made
  }

  function ofAlias(alias: ModelSettings, upstreams: readonly Upstream[]): ResolvedModel | undefined {
    const to = alias.to.flatMap(({ upstream: name, model }) => {
      const upstream = byName.get(name)
      return upstream !== undefined && upstreams.includes(upstream) ? [{ upstream, model }] : []
    })
    if (to.length === 0) return undefined
    const id = JSON.stringify(['alias', alias.name, to.map(({ upstream }) => upstream.settings.name)])
    return remember(id, () => ({ ...describe(alias.name, alias.limits), to, output: alias.output }))
  }

  function ofUpstream(upstream: Upstream, model: string): ResolvedModel {
    const id = JSON.stringify(['own', upstream.settings.name, model])
    return remember(id, () => ({ ...describe(model, []), to: [{ upstream, model }], output: undefined }))
  }

  return { ofAlias, ofUpstream }
}

/**
 * The first upstream that lists a model. Those that did not say their models the last time are
 * waited for only where no other one has it: one that hangs delays no call for another.
 *
 * @param isPatient whether to wait for them, too
 * @throws Fault `upstream_unavailable` where it is not there and one of them did not say its models
 */
async function findListed(
  name: string,
  upstreams: readonly Upstream[],
  isPatient: boolean,
): Promise<Destination | undefined> {
  let hasAsked = true
  for (const find of [findExactly, findInAnyCase])
    for (const upstream of upstreams.filter(listsItself)) {
      // One by one: an upstream that is slow to say delays no call for one before it.
      const names = await upstream.models(isPatient)
      if (names === undefined) hasAsked = false
      const model = names && find(name, names, upstream.preset.hasTags)
      if (model !== undefined) return { upstream, model }
    }
  if (isPatient && !hasAsked)
    throw new Fault('upstream_unavailable', 'no upstream could be asked for its models')
  return undefined
}

function listsItself({ settings }: Upstream): boolean {
  return settings.models === 'any'
}

/**
 * The models of the configuration by their names. What an upstream takes for one name is one here:
 * another letter case or the tag `latest` is no way round an alias's limits.
 */
function createAliases(models: readonly ModelSettings[]): {
  readonly find: (name: string) => ModelSettings | undefined
} {
  const byName = new Map(models.map((model) => [model.name.toLowerCase(), model]))
  const byUntagged = new Map(models.map((model) => [untagged(model.name), model]))
  return { find: (name) => byName.get(name.toLowerCase()) ?? byUntagged.get(untagged(name)) }
}

/** Whether a key with these scopes may ask for a model that needs one of those. */
export function mayUse(owned: readonly string[], wanted: readonly string[]): boolean {
  return wanted.some((scope) => hasScope(owned, scope))
}

/** The scope of a name with the tag `latest`, and without it, is one. */
function scopesOf(publicName: string): readonly string[] {
  const names = new Set([publicName.toLowerCase(), untagged(publicName)])
  return [defaultScope, ...[...names].map(modelScope).filter(isScope)]
}

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

type FindListed = (name: string, listed: readonly string[], hasTags: boolean) => string | undefined

/** A name as an upstream lists it, with its tag or without. */
const findExactly: FindListed = (name, listed, hasTags) =>
  [name, withTag(name, hasTags)].find((one) => listed.includes(one))

/** The upstream's own spelling of a name in another letter case. */
const findInAnyCase: FindListed = (name, listed, hasTags) => {
  const wanted = withTag(name, hasTags).toLowerCase()
  const [only, ...others] = listed.filter((one) => one.toLowerCase() === wanted)
  return others.length === 0 ? only : undefined
}

function withTag(name: string, hasTags: boolean): string {
  return hasTags && !name.includes(':', name.lastIndexOf('/') + 1) ? `${name}${latestTag}` : name
}

function refuseUnknown(): never {
  throw new Refusal('model_not_found', undefined, { reason: 'no such model' })
}

function modelMissing(): Refusal {
  return new Refusal('input_invalid', 'The call names no model.', {
    errors: [{ loc: ['body', 'model'], msg: 'Field required', type: 'missing' }],
  })
}
