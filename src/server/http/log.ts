import { type DestinationStream, type Logger, pino } from 'pino'
import { replaceKeys } from '../../core/key-shape.ts'
import type { OperationalEventListener } from '../../telemetry/telemetry.ts'
import { openLogOutput } from './log-output.ts'

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** Where log lines go, one JSON object each. */
export type LogStream = DestinationStream

export type Log = Logger

export interface LogOptions {
  readonly level: LogLevel
  /** The header that carries keys. */
  readonly keyHeader: string
  /** @default standard error */
  readonly stream?: LogStream | undefined
}

const redacted = '[redacted]'

/**
 * Logs JSON lines without keys: known headers are redacted by name, text that looks like a key by
 * its shape.
 */
export function createLog({ level, keyHeader, stream }: LogOptions): Log {
  const names = ['authorization', 'x-api-key', 'cookie', 'set-cookie', keyHeader.toLowerCase()]
  const paths = [...new Set(names)].flatMap((name) => [
    `["${name}"]`,
    `headers["${name}"]`,
    `*.headers["${name}"]`,
  ])
  return pino(
    {
      level,
      redact: { paths, censor: redacted },
      hooks: { streamWrite: (line) => replaceKeys(line, (known) => `${known}_${redacted}`) },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      base: null,
    },
    stream ?? openLogOutput(2),
  )
}

/** The log as a listener of operational events: one line each. */
export function logEvents(log: Log): OperationalEventListener {
  return ({ name, level, message, fields, cause, requestId, trace }) => {
    log[level](
      {
        event: name,
        ...fields,
        ...(requestId !== undefined && { request_id: requestId }),
        ...(trace !== undefined && { trace_id: trace.traceId, span_id: trace.spanId }),
        ...(cause !== undefined && { err: cause }),
      },
      message,
    )
  }
}
