import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import { costOf } from '../../limits/usage/costs.ts'
import { endWithAnswer } from '../../limits/usage/end-usage.ts'
import type { Usage } from '../../limits/usage/usage.ts'
import { boundOf, type CallBound, largestOf, withPrompt } from '../body/bound.ts'
import type { BodyChanges, BodyRules, CallBody, WrittenLength } from '../body/call-body.ts'
import { readCallInSteps } from '../body/read-call.ts'
import { type Destination, mayUse, type ResolvedModel } from '../directory/model-directory.ts'
import type { RouteServer } from '../routes/open-route.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import type { CallDeps } from './call-deps.ts'
import { faultyCallOf, type IncomingCall } from './incoming-call.ts'
import type { PromptCount } from './prompt-counts.ts'

/** A call that may go out: its model may be used, and what it may use of tokens is taken. */
export interface PreparedCall {
  /** Tried in order. */
  readonly to: readonly Destination[]
  /** Undefined: it asks for no model. */
  readonly publicName: string | undefined
  /** Bytes of the body as it came, without those of its images. */
  readonly bodyBytes: number
  /** What was reserved for its images: of them an estimate knows no more. */
  readonly imageTokens: number
  readonly answers: number
  /** The most that it may use; undefined where its route has no tokens. */
  readonly bound: CallBound | undefined
  /** Tokens of the prompt, where the upstream has counted them. */
  readonly promptTokens: number | undefined
  /** Whether the answer is bounded, by the client or by us. */
  readonly isBounded: boolean
  /** What is written where the client set no output bound; undefined: nothing. */
  readonly output: number | undefined
  /** Whether the usage in its stream was asked for by us. */
  readonly asksUsageOurselves: boolean
  /** How limits stood when it was taken. */
  readonly limitHeaders: Readonly<Record<string, string>>
  /** Bytes of the largest body that is written beside the one that came; 0 where none is. */
  readonly copyBytes: number
  /** Written anew each time: a call holds one beside the body that came. */
  readonly bytesFor: (destination: Destination) => Buffer | undefined
}

/** A call whose body is read and whose key may use its model; it has taken no token yet. */
export interface AdmittedCall {
  /** Undefined: it names no model. */
  readonly read: ReadCall | undefined
  /** The one that is asked first. */
  readonly upstream: Upstream
}

/**
 * From the body to the guard's second word. What is refused here has used nothing.
 *
 * @throws Refusal `input_invalid`, `model_not_found`, or of a limit; Fault `upstream_unavailable`
 *   and whatever else the guard throws
 */
export function admitCall(deps: CallDeps, call: IncomingCall): Promise<AdmittedCall> {
  return orGiveBack(call, async () => {
    if (call.route.asks === 'any model') return { read: undefined, upstream: firstOf(call.upstreams) }
    const read = await readModel(deps, call)
    await admitModel(deps, call, read.model)
    if (read.bodyFor(read.model.to[0]).isStream && call.streamRefusal !== undefined) throw call.streamRefusal
    return { read, upstream: firstOf(read.model.to.map(({ upstream }) => upstream)) }
  })
}

/**
 * Takes what the call may use at most. What is refused here has used nothing.
 *
 * @throws Refusal `input_invalid`, or of a limit; Fault `limiter_unavailable`, `overloaded`
 */
export function reserveCall(
  deps: CallDeps,
  call: IncomingCall,
  { read }: AdmittedCall,
): Promise<PreparedCall> {
  return orGiveBack(call, async () => {
    if (read === undefined) return preparePlain(call)
    const prepared = await reserve(deps, call, read)
    if (!call.hold(prepared.copyBytes))
      throw new Fault('overloaded', 'calls under way hold as much memory as they may')
    return prepared
  })
}

/** A step of a call; where it throws, all that the call took of its limits is given back. */
export async function orGiveBack<T>({ exchange }: IncomingCall, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (thrown) {
    await exchange.openUsage().giveBack()
    throw thrown
  }
}

/** A call that names no model: the first upstream answers it, and its body goes on as it came. */
function preparePlain({ exchange, upstreams, body }: IncomingCall): PreparedCall {
  return {
    to: [{ upstream: firstOf(upstreams), model: '' }],
    publicName: undefined,
    bodyBytes: body.length,
    imageTokens: 0,
    answers: 1,
    bound: undefined,
    promptTokens: undefined,
    isBounded: false,
    output: undefined,
    asksUsageOurselves: false,
    limitHeaders: { ...exchange.usage.headers },
    copyBytes: 0,
    bytesFor: () => (body.length === 0 ? undefined : body),
  }
}

function firstOf([upstream]: readonly Upstream[]): Upstream {
  if (upstream === undefined) throw new Fault('internal', 'a route without an upstream is open')
  return upstream
}

/** A call whose body is read by the rules of every upstream that may get it. */
export interface ReadCall {
  readonly model: ResolvedModel
  readonly bodyFor: (destination: Destination | undefined) => CallBody
}

/** Reads a body by the rules of the upstreams that may get it, and resolves the model it names. */
export async function readModel(
  { models, scheduler }: Pick<CallDeps, 'models' | 'scheduler'>,
  { route, upstreams, body: bytes }: Pick<IncomingCall, 'route' | 'upstreams' | 'body'>,
): Promise<ReadCall> {
  const { servers } = route
  const only = servers.length === 1
  const read = (rules: BodyRules): Promise<CallBody> => readInTurns(readCallInSteps(bytes, rules), scheduler)
  const first = await read(only ? rulesOf(servers[0]) : openRulesOf(servers[0]))
  const model = await models.resolve(first.model, upstreams)
  if (only) return { model, bodyFor: () => first }
  const asked = model.to.map(({ upstream }) => upstream.settings.name)
  const bodies = new Map<string, CallBody>()
  for (const server of servers)
    if (asked.includes(server.upstream.name)) bodies.set(server.upstream.name, await read(rulesOf(server)))
  return { model, bodyFor: (to) => bodies.get(to?.upstream.settings.name ?? '') ?? first }
}

/** A large body leaves turns of the event loop to others. */
async function readInTurns<T>(steps: Generator<void, T>, { yieldTurn }: Scheduler): Promise<T> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    await yieldTurn()
  }
}

const rulesOf = oncePerServer(({ route, closedFields, preset }) => {
  const { refusesMediaByUrl, readsImagesInText = false } = preset
  return { route, closedFields, refusesMediaByUrl, readsImagesInText }
})

/** Enough to learn the model's name, before it is known whose rules are the right ones. */
const openRulesOf = oncePerServer(({ route }) => ({ route, closedFields: [], refusesMediaByUrl: false }))

/** Names are compiled for each object of rules. */
function oncePerServer(make: (server: RouteServer) => BodyRules): (server: RouteServer) => BodyRules {
  const made = new WeakMap<RouteServer, BodyRules>()
  return (server) => {
    const rules = made.get(server) ?? make(server)
    made.set(server, rules)
    return rules
  }
}

/** Asks the guard again, now that the model is known: its scope, and its limits. */
async function admitModel(
  { guard, onFault }: CallDeps,
  call: IncomingCall,
  { demand, scopes }: ResolvedModel,
): Promise<void> {
  const { exchange, response } = call
  // Whether there is a model that this key may not use is not the key's to know.
  if (!mayUse(exchange.caller?.scopes ?? [], scopes)) {
    exchange.detail = { reason: 'scope_missing' }
    throw new Refusal('model_not_found', undefined, { reason: 'scope_missing' })
  }
  const before = exchange.usage
  const verdict = await guard.admit(exchange, demand)
  if (!verdict.admitted) throw verdict.refusal
  // What only this model's limits count ends with the answer as well.
  if (exchange.usage !== before)
    endWithAnswer(response, exchange.usage, (fault) => onFault(faultyCallOf(call), fault))
}

/** Takes the most that the call may use, in one step with all that its limits count. */
async function reserve(deps: CallDeps, call: IncomingCall, read: ReadCall): Promise<PreparedCall> {
  const { exchange, route } = call
  const { model, bodyFor } = read
  const body = bodyFor(model.to[0])
  const usage = exchange.openUsage()
  const { upstream } = serverOf(route.servers, model.to[0])
  const asksUsageOurselves = route.form === 'openai' && body.isStream && !body.asksUsage
  const ownOutput = model.output ?? upstream.tokens.output
  // Upstreams read other fields: each that a call may come to is bounded by what it reads itself.
  const lacksOutput = (to: Destination): boolean =>
    bodyFor(to).output === undefined && serverOf(route.servers, to).route.output !== undefined
  const isOpen = model.to.some(lacksOutput)
  const writesOutput = isOpen && measures.some((measure) => usage.counts(measure))

  const changesFor = (to: Destination, output: number): BodyChanges => ({
    ...(asksUsageOurselves && { includeUsage: true }),
    ...(writesOutput && lacksOutput(to) && { output }),
    ...(body.model !== undefined && { model: to.model }),
  })
  const boundWith = (output: number, promptTokens?: number): CallBound =>
    largestOf(
      model.to.map((to) => {
        const server = serverOf(route.servers, to)
        const most = server.route.output === undefined ? 0 : output
        const { length } = bodyFor(to).measure(changesFor(to, output))
        const bound = boundOf(bodyFor(to), length, server.upstream.tokens, most)
        return promptTokens === undefined ? bound : withPrompt(bound, promptTokens)
      }),
    )
  const plan = (promptTokens?: number): ReservationPlan => {
    const bound = boundWith(ownOutput, promptTokens)
    const answers = Math.max(...model.to.map((to) => bodyFor(to).answers))
    const fitting = writesOutput ? fittingOutput(usage, bound, answers) : ownOutput
    return fitting < ownOutput && fitting >= 1
      ? { output: fitting, bound: boundWith(fitting, promptTokens), promptTokens }
      : { output: ownOutput, bound, promptTokens }
  }
  const counted = <T>(take: Take<T>): Promise<T> =>
    countPrompt(deps, call, read, (to) => bodyFor(to).write(changesFor(to, ownOutput)), take)
  const taken = route.form === undefined ? undefined : await takeBound(deps, call, plan, counted)
  const output = taken?.output ?? ownOutput
  return {
    to: model.to,
    publicName: model.publicName,
    bodyBytes: body.bytes.length - body.images.bytes,
    imageTokens: upstream.tokens.image * body.images.count,
    answers: body.answers,
    bound: taken?.bound,
    promptTokens: taken?.promptTokens,
    isBounded: writesOutput || !isOpen,
    output: writesOutput ? output : undefined,
    asksUsageOurselves,
    limitHeaders: { ...usage.headers },
    copyBytes: Math.max(...model.to.map((to) => copyOf(bodyFor(to).measure(changesFor(to, output))))),
    bytesFor: (to) => bodyFor(to).write(changesFor(to, output)),
  }
}

function copyOf({ length, isCopy }: WrittenLength): number {
  return isCopy ? length : 0
}

/** What a call takes, by what is known of its prompt. */
interface ReservationPlan {
  readonly output: number
  readonly bound: CallBound
  readonly promptTokens: number | undefined
}

/** Takes a call by what the upstream has counted of its prompt. */
type Take<T> = (count: PromptCount) => Promise<T>

/**
 * Takes the bound; where it does not fit, what the upstream counts in the place of what the bytes
 * may come to at most.
 */
async function takeBound(
  { counts }: CallDeps,
  { exchange }: IncomingCall,
  plan: (promptTokens?: number) => ReservationPlan,
  counted: <T>(take: Take<T>) => Promise<T>,
): Promise<ReservationPlan> {
  const usage = exchange.openUsage()
  const take = async (count: PromptCount): Promise<ReservationPlan> => {
    const planned = plan(typeof count === 'number' ? count : undefined)
    const { tokens, prompt, completion } = planned.bound
    const refusal = await usage.take({ tokens, prompt_tokens: prompt, completion_tokens: completion })
    if (refusal === undefined) return planned
    if (typeof count === 'number') counts.wasInVain(exchange.known?.owner ?? '')
    // By its bytes it could never pass; by its tokens perhaps, once they are counted again.
    throw count instanceof Error && refusal.code === 'input_invalid' ? count : refusal
  }
  // Where not even the answer fits, no count would help.
  const mayHelp = !fits(usage, plan().bound) && fits(usage, plan(1).bound)
  return mayHelp ? await counted(take) : await take(undefined)
}

/** Asks where one upstream alone may get the call: each has tokens of its own. */
async function countPrompt<T>(
  { counts }: CallDeps,
  { exchange, route }: IncomingCall,
  { model, bodyFor }: ReadCall,
  bytesFor: (to: Destination) => Buffer,
  take: Take<T>,
): Promise<T> {
  const [to, ...others] = model.to
  if (to === undefined || others.length > 0) return await take(undefined)
  const { path } = serverOf(route.servers, to).route
  const owner = exchange.known?.owner ?? ''
  return await counts.count({ owner, to, path, body: bodyFor(to), write: () => bytesFor(to) }, take)
}

/** Whether it fits what was left of the limits when the request was admitted. */
function fits({ states }: Usage, { tokens, prompt, completion }: CallBound): boolean {
  const costs: Readonly<Record<string, number>> = {
    tokens,
    prompt_tokens: prompt,
    completion_tokens: completion,
  }
  return states.every(({ use, remaining }) => use.isShadow || costOf(use.limit.measure, costs) <= remaining)
}

/** What a call is counted by, beside requests. */
const measures = ['tokens', 'prompt_tokens', 'completion_tokens'] as const

/** The most tokens of one answer that the limits can hold at all. */
function fittingOutput({ states }: Usage, { prompt }: CallBound, answers: number): number {
  let most = Number.MAX_SAFE_INTEGER
  for (const { use } of states) {
    if (use.isShadow) continue
    const { measure, amount } = use.limit
    if (measure === 'tokens') most = Math.min(most, amount - prompt)
    if (measure === 'completion_tokens') most = Math.min(most, amount)
  }
  return Math.floor(most / Math.max(1, answers))
}

/** Of the upstreams that serve a route, the one that a call goes to. */
export function serverOf(
  servers: IncomingCall['route']['servers'],
  to: Destination | undefined,
): RouteServer {
  const name = to?.upstream.settings.name
  return servers.find(({ upstream }) => upstream.name === name) ?? servers[0]
}
