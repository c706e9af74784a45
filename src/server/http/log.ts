import { type DestinationStream, type Logger, pino } from 'pino'
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
  readonly stream?: LogStream
}

/** Text with the shape of a key, whoever wrote it into a message: the id stays, the secret goes. */
const keyShape = /\b([a-z][a-z0-9]{1,11}_(?:live|test)_[0-9A-Za-z]{12})_[0-9A-Za-z]{49}\b/g

const redacted = '[redacted]'

/** Logs JSON lines. Whatever is logged, no key is in it: known headers are left out by name, and key-like text by its shape. */
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
      hooks: { streamWrite: (line) => line.replace(keyShape, `$1_${redacted}`) },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      base: null,
    },
    stream ?? openLogOutput(2),
  )
}
