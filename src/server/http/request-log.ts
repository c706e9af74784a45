import { isatty } from 'node:tty'
import { styleText } from 'node:util'
import { replaceKeys } from '../../core/key-shape.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Caller } from '../../guard/caller.ts'
import { createTelemetry } from '../../telemetry/telemetry.ts'
import type { ServerOptions } from '../server-options.ts'
import type { TraceIds } from './handle-errors.ts'
import { createLog, type Log, type LogStream, logEvents } from './log.ts'
import { createLossyOutput, writerWithoutWait } from './lossy-output.ts'

/** A request that was answered, as the log tells it. */
export interface AnsweredRequest {
  readonly id: string
  readonly trace: TraceIds
  readonly method: string
  /** The route's pattern, never the path, which may hold keys and texts; null for no route. */
  readonly route: string | null
  readonly status: number
  /** Milliseconds until the answer was gone. */
  readonly ms: number
  /** Whose key it was, admitted or refused; null where none was proven. */
  readonly caller: Caller | null
  readonly address: string | undefined
}

/** Tells of one request. */
export type RequestLog = (request: AnsweredRequest) => void

export interface RequestLogOptions
  extends Pick<ServerOptions, 'logRequests' | 'logLevel' | 'keyHeader' | 'logStream'> {
  readonly scheduler?: Scheduler | undefined
}

const standardError = 2

/**
 * A line for each request: text for people where standard error is a terminal, JSON otherwise.
 * Undefined where requests are not logged. A reader that is too slow loses lines, and stops no
 * request.
 */
export function createRequestLog(options: RequestLogOptions): RequestLog | undefined {
  const { logRequests, logLevel, logStream, scheduler } = options
  const isShown = logStream === undefined && isatty(standardError)
  if (logRequests === false || (logRequests === 'auto' && !isShown) || !hasInfo(logLevel)) return undefined
  if (logStream !== undefined) return jsonLines(options, logStream)
  const output = { writeSome: writerWithoutWait(standardError), scheduler }
  if (isShown) {
    const tellLost = (lines: number): string => `… ${lines} requests are not shown: the terminal was slow\n`
    const lossy = createLossyOutput({ ...output, tellLost })
    return (request) => lossy.write(`${replaceKeys(textLine(request), (known) => `${known}_[redacted]`)}\n`)
  }
  return jsonLines(options, createLossyOutput({ ...output, tellLost: (lines) => lostEvent(options, lines) }))
}

function hasInfo(level: ServerOptions['logLevel']): boolean {
  return level === 'info' || level === 'debug' || level === 'trace'
}

function jsonLines({ logLevel: level, keyHeader }: RequestLogOptions, stream: LogStream): RequestLog {
  const log: Log = createLog({ level, keyHeader, stream })
  return function logRequest({ id, trace, method, route, status, ms, caller, address }) {
    const key_id = caller?.keyId ?? null
    log.info({ request_id: id, ...trace, method, route, status, ms: tenths(ms), key_id, address }, 'answered')
  }
}

/** The line of the log that says how many lines of it were lost. */
function lostEvent({ logLevel: level, keyHeader }: RequestLogOptions, lines: number): string {
  const written: string[] = []
  const stream: LogStream = { write: (line) => void written.push(line) }
  const { event } = createTelemetry([logEvents(createLog({ level, keyHeader, stream }))])
  event('server.requests_not_logged', { lines })
  return written.join('')
}

const statusColours = ['gray', 'gray', 'green', 'cyan', 'yellow', 'red'] as const

/** `14:02:07 POST /predict 200 1.2 ms acme 7Qm2xT0bKc9Z`, by the clock on the wall. */
function textLine({ method, route, status, ms, caller, address }: AnsweredRequest): string {
  const time = new Date().toTimeString().slice(0, 8)
  const colour = statusColours[Math.floor(status / 100)] ?? 'gray'
  // Heeds NO_COLOR, and a terminal that has no colours.
  const painted = styleText(colour, `${status}`, { stream: process.stderr })
  return [time, method, route ?? '-', painted, `${tenths(ms)} ms`, ...whoOf(caller, address)].join(' ')
}

/** Owner and key; a key without an owner is its own. */
function whoOf(caller: Caller | null, address = '-'): readonly string[] {
  if (caller === null) return [address]
  return caller.owner === caller.keyId ? [caller.keyId] : [caller.owner, caller.keyId]
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}
