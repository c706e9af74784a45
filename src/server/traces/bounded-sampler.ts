import { randomBytes } from 'node:crypto'
import { type Context, isSpanContextValid, SamplingDecision, SpanKind, trace } from '@opentelemetry/api'
import { SetupError } from '../../core/setup-error.ts'
import type { Clock } from '../../core/time.ts'

/** What an SDK uses of its sampler, and whether a trace that begins here is sampled. */
export interface BoundedSampler {
  readonly decideRoot: (traceId: string) => boolean
  readonly shouldSample: (
    context: Context,
    traceId: string,
    name: string,
    kind: SpanKind,
  ) => { readonly decision: SamplingDecision }
  readonly toString: () => string
}

/**
 * Requests a second whose clients may decide that they are sampled, by the flag or the id that they
 * send. Beyond it, the sampler decides about a request as if nothing had been sent: a client that
 * sets the flag on each request must not make the server export all of them.
 */
export const sampledByClientsPerSecondMax = 50

const samplers = ['always_on', 'always_off', 'traceidratio'] as const
type RootName = (typeof samplers)[number]

/**
 * The sampler that `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` name, bounded in what
 * clients decide. The names are OpenTelemetry's; by default `parentbased_always_on`.
 *
 * @param monotonic milliseconds
 * @throws SetupError `config_invalid` for another name, or another ratio than 0 to 1
 */
export function createBoundedSampler(
  env: Readonly<Record<string, string | undefined>>,
  monotonic: Clock,
): BoundedSampler {
  const { OTEL_TRACES_SAMPLER: named, OTEL_TRACES_SAMPLER_ARG: arg } = env
  const name = named === undefined || named.trim() === '' ? 'parentbased_always_on' : named.trim()
  const followsParent = name.startsWith('parentbased_')
  const decideRoot = rootSampler(name.replace(/^parentbased_/, ''), arg)
  const mayDecide = createRate(sampledByClientsPerSecondMax, monotonic)

  function isSampled(context: Context, traceId: string, kind: SpanKind): boolean {
    const parent = trace.getSpanContext(context)
    if (parent === undefined || !isSpanContextValid(parent)) return decideRoot(traceId)
    const isSampledBy = followsParent ? (parent.traceFlags & 1) === 1 : decideRoot(traceId)
    if (!isSampledBy || kind !== SpanKind.SERVER || mayDecide()) return isSampledBy
    return decideRoot(randomBytes(16).toString('hex'))
  }

  return {
    decideRoot,
    shouldSample: (context, traceId, _name, kind) => ({
      decision: isSampled(context, traceId, kind)
        ? SamplingDecision.RECORD_AND_SAMPLED
        : SamplingDecision.NOT_RECORD,
    }),
    toString: () => `modelward{${name}}`,
  }
}

function rootSampler(name: string, arg: string | undefined): (traceId: string) => boolean {
  const decide: Readonly<Record<RootName, () => (traceId: string) => boolean>> = {
    always_on: () => () => true,
    always_off: () => () => false,
    traceidratio: () => byRatio(readRatio(arg)),
  }
  if (!isRootName(name)) {
    const expected = samplers.flatMap((each) => [`\`${each}\``, `\`parentbased_${each}\``]).join(', ')
    throw new SetupError('config_invalid', `OTEL_TRACES_SAMPLER: expected one of ${expected}`)
  }
  return decide[name]()
}

function isRootName(name: string): name is RootName {
  return (samplers as readonly string[]).includes(name)
}

function readRatio(arg: string | undefined): number {
  if (arg === undefined || arg.trim() === '') return 1
  const ratio = Number(arg)
  if (ratio >= 0 && ratio <= 1) return ratio
  throw new SetupError('config_invalid', 'OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1')
}

/** Of ids that are drawn at random, this part: the same ids in every program that decides so. */
function byRatio(ratio: number): (traceId: string) => boolean {
  const bound = ratio * 2 ** 32
  return (traceId) => {
    let folded = 0
    for (let at = 0; at < traceId.length; at += 8)
      folded = (folded ^ Number.parseInt(traceId.slice(at, at + 8), 16)) >>> 0
    return folded < bound
  }
}

/** Whether another may, of so many a second. */
function createRate(perSecond: number, monotonic: Clock): () => boolean {
  let left = perSecond
  let since = monotonic()
  return () => {
    const now = monotonic()
    left = Math.min(perSecond, left + ((now - since) / 1_000) * perSecond)
    since = now
    if (left < 1) return false
    left -= 1
    return true
  }
}
