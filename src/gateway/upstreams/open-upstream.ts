import type { BreakerCall } from '../../core/breaker.ts'
import { processScheduler, type Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { UpstreamOutcome } from '../../telemetry/measures.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { UpstreamSettings } from '../gateway-settings.ts'
import type { Preset } from '../presets/preset.ts'
import { collectAnswer } from './ask-upstream.ts'
import type { AttemptEnd, AttemptWatch } from './attempt.ts'
import { openCredential } from './credential.ts'
import { createModelList, type ModelList } from './model-list.ts'
import type { AskUpstream, Attempt, AttemptFailure, AttemptListener, Upstream } from './upstream.ts'
import { createUpstreamBreaker, type UpstreamBreaker } from './upstream-breaker.ts'
import { watchHealth } from './upstream-health.ts'
import { type LineRequest, openUpstreamLine, type UpstreamLine } from './upstream-line.ts'

export interface UpstreamDeps {
  readonly telemetry: Telemetry
  /** Where a credential stands that is named by a variable. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** @default the process's */
  readonly scheduler?: Scheduler
  /** Milliseconds of a clock that never jumps. @default performance.now */
  readonly monotonic?: Clock
}

/** What the parts of one upstream share. */
interface Parts {
  readonly settings: UpstreamSettings
  readonly telemetry: Telemetry
  readonly monotonic: Clock
  readonly line: UpstreamLine
  readonly breaker: UpstreamBreaker
}

/**
 * Opens an upstream, which may be out: it is asked how it is, where its preset knows how, and for
 * nothing else before the first call.
 *
 * @throws SetupError `config_invalid` where its credential or its authorities cannot be read
 */
export function openUpstream(settings: UpstreamSettings, preset: Preset, deps: UpstreamDeps): Upstream {
  const { telemetry, env, scheduler = processScheduler, monotonic = () => performance.now() } = deps
  const { name, url, key: source, health = preset.health } = settings
  const credential = openCredential({ upstream: name, source, env, scheduler, telemetry })
  const line = openUpstreamLine({ settings, credential, scheduler, monotonic })
  const breaker = createUpstreamBreaker(settings, telemetry, monotonic)
  const parts: Parts = { settings, telemetry, monotonic, line, breaker }
  const calls = createCalls(parts)
  const ask = createAsk(parts)
  const list = preset.lists && createList(preset.lists, ask, parts)
  const waitMs = (): number => breaker.waitMs(monotonic())
  const ends = [
    credential.close,
    telemetry.measures.figure('upstream_open', () => ({ [name]: breaker.state() === 'closed' ? 0 : 1 })),
  ]
  if (typeof health === 'string')
    ends.push(
      watchHealth(health, ask, scheduler, (problem) => {
        if (problem !== undefined) breaker.because(problem)
        breaker.checked(problem === undefined, monotonic())
      }),
    )
  return {
    settings,
    preset,
    waitMs,
    send: calls.send,
    ask,
    models: async (isPatient = true) => list?.names(isPatient),
    redact: credential.redact,
    status: () => ({
      name,
      preset: preset.name,
      url,
      state: breaker.state(),
      failures: breaker.failures(),
      opensInSeconds: Math.ceil(waitMs() / 1_000),
      callsOpen: calls.open(),
      models: list?.last(),
    }),
    async close() {
      for (const end of ends) end()
      await line.close()
    },
  }
}

/** What keeps a credential from being accepted. */
const refusals: ReadonlySet<number> = new Set([401, 403, 407])

function noteRefusal(status: number, { settings, telemetry }: Parts): void {
  if (refusals.has(status)) telemetry.event('upstream.refused_credential', { upstream: settings.name })
}

/** Sends calls, as many at once as may be, and only where the breaker lets them. */
function createCalls(parts: Parts): { readonly send: Upstream['send']; readonly open: () => number } {
  const { settings, telemetry, monotonic, line, breaker } = parts
  const { connectionsMax, timeouts } = settings
  let open = 0

  function send(...[request, listener, firstByteBy]: Parameters<Upstream['send']>): Attempt {
    if (open >= connectionsMax) {
      telemetry.measures.upstreamRequest(settings.name, 'overloaded')
      return refuse(listener, 'overloaded', `${connectionsMax} calls are open`)
    }
    const call = breaker.begin(monotonic())
    if (call === undefined) return refuse(listener, 'unreachable', 'left alone for a while after failures')
    open += 1
    const watch = watchCall(call, parts, () => {
      open -= 1
    })
    return line.begin({ ...request, firstByteBy, timeouts }, listener, watch)
  }

  return { send, open: () => open }
}

function refuse(listener: AttemptListener, failure: AttemptFailure, message: string): Attempt {
  let isAborted = false
  queueMicrotask(() => {
    if (!isAborted) listener.onError({ failure, hasBegun: false, isStale: false, message })
  })
  return {
    abort() {
      isAborted = true
    },
    pause() {},
    resume() {},
  }
}

/**
 * Statuses with which an upstream says that it is out, and a proxy before it that it cannot be
 * reached. Not 500: a call can bring a model to answer so, and would close it to all others.
 */
const outages: ReadonlySet<number> = new Set([502, 503, 504])

/** What a call tells of its upstream: the breaker, the metrics, the operator. */
function watchCall(call: BreakerCall, parts: Parts, onOver: () => void): AttemptWatch {
  const { settings, telemetry, monotonic, breaker } = parts
  const { measures } = telemetry
  const beganAt = monotonic()
  let isJudged = false

  function judge(verdict: 'passed' | 'failed' | 'ignored'): void {
    if (isJudged) return
    isJudged = true
    call[verdict](monotonic())
  }

  return {
    onHead(status) {
      noteRefusal(status, parts)
      // Not yet its verdict: what never brings a byte has failed.
      if (!outages.has(status)) return call.begun()
      breaker.because(`it answered with ${status}`)
      judge('failed')
    },
    onFirstByte() {
      judge('passed')
      measures.upstreamFirstByte(settings.name, monotonic() - beganAt)
    },
    onOver(end) {
      onOver()
      if (typeof end === 'number') judge('passed')
      else if (end === 'aborted' || end.isStale) judge('ignored')
      else {
        breaker.because(end.message)
        judge('failed')
      }
      measures.upstreamRequest(settings.name, outcomeOf(end))
    },
  }
}

/** A closed set: the label of a metric. */
function outcomeOf(end: AttemptEnd): UpstreamOutcome {
  if (typeof end === 'number') return `${Math.floor(end / 100)}xx` as UpstreamOutcome
  return typeof end === 'string' ? end : end.failure
}

/** Asks beside all calls: neither bound nor breaker holds it back, nor learns of it. */
function createAsk(parts: Parts): AskUpstream {
  const { monotonic, line } = parts
  const watch: AttemptWatch = {
    onHead: (status) => noteRefusal(status, parts),
    onFirstByte() {},
    onOver() {},
  }
  return (path, { withinMs, bytesMax, body }) => {
    const request: LineRequest = {
      method: body === undefined ? 'GET' : 'POST',
      path,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body,
      firstByteBy: monotonic() + withinMs,
      timeouts: { connectMs: withinMs, idleMs: withinMs, totalMs: withinMs },
    }
    return collectAnswer(bytesMax, (listener) => line.begin(request, listener, watch))
  }
}

function createList(lists: NonNullable<Preset['lists']>, ask: AskUpstream, parts: Parts): ModelList {
  const { settings, telemetry, monotonic, breaker } = parts
  return createModelList({
    ...lists,
    ask,
    monotonic,
    mayAsk: () => breaker.waitMs(monotonic()) === 0,
    onFailed: (problem) => telemetry.event('upstream.list_failed', { upstream: settings.name }, problem),
  })
}
