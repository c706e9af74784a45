import { Fault } from '../../core/fault.ts'
import { defaultScope } from '../../core/scope.ts'
import type { Gateway } from '../../gateway/create-gateway.ts'

/** The model servers behind a server that has just begun to listen. */
export interface UpstreamsAtStart {
  readonly upstreams: readonly UpstreamAtStart[]
  /** What to try first; undefined where no route for chats is open. */
  readonly chat: ChatToTry | undefined
}

export interface UpstreamAtStart {
  readonly name: string
  readonly url: string
  readonly isOut: boolean
  /** Whether only configured models are served of it, and none is configured. */
  readonly lacksModels: boolean
}

export interface ChatToTry {
  /** With the prefix of its upstream. */
  readonly path: string
  /** A public name; undefined where none is known. */
  readonly model: string | undefined
}

/** Asks for models, which takes two seconds at most; an upstream that is out is no failure. */
export async function viewUpstreamsAtStart(gateway: Gateway): Promise<UpstreamsAtStart> {
  const route = gateway.routes.open.find(({ path }) => path.endsWith('/v1/chat/completions'))
  const names = route === undefined ? [] : await gateway.modelsFor([defaultScope], route).catch(ofOut)
  const alias = gateway.settings.models.find(({ name }) => names.includes(name))
  const model = alias?.name ?? names.find((name) => !answersNoChat.test(name)) ?? names[0]
  const servers = route?.servers ?? []
  const asked = new Set(
    servers.filter(({ upstream }) => upstream.models === 'any').map(({ upstream }) => upstream.name),
  )
  const { settings } = gateway
  const named = new Set(settings.models.flatMap(({ to }) => to.map(({ upstream }) => upstream)))
  const lacking = settings.upstreams.filter((one) => one.models === 'listed' && !named.has(one.name))
  return {
    upstreams: gateway.upstreams().map(({ name, url, failures, models }) => {
      const isUnlisted = models === null && asked.has(name)
      const lacksModels = lacking.some((one) => one.name === name)
      return { name, url, isOut: failures > 0 || isUnlisted, lacksModels }
    }),
    chat: route && { path: route.path, model },
  }
}

/** Those of upstreams that could not be asked. */
function ofOut(thrown: unknown): readonly string[] {
  if (thrown instanceof Fault && thrown.code === 'upstream_unavailable') return []
  throw thrown
}

/** Names that models for embeddings and ranks have by custom: no list says what a model is for. */
const answersNoChat = /embed|minilm|bge-|rerank/i
