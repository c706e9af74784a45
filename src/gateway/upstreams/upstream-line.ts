import { readFileSync } from 'node:fs'
import { packageVersion } from '../../core/runtime/package-version.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import { SetupError } from '../../core/setup-error.ts'
import type { Clock } from '../../core/time.ts'
import type { UpstreamSettings, UpstreamTimeouts } from '../gateway-settings.ts'
import { type AttemptWatch, beginAttempt } from './attempt.ts'
import type { Credential } from './credential.ts'
import type { Attempt, AttemptListener, UpstreamRequest } from './upstream.ts'
import { createUpstreamPool } from './upstream-pool.ts'

export interface LineRequest extends UpstreamRequest {
  /** When the first byte of the answer's body must have come, by the monotonic clock. */
  readonly firstByteBy: number
  readonly timeouts: Omit<UpstreamTimeouts, 'firstByteMs'>
}

/** The way to one upstream: its address, its connections, and what each request carries. */
export interface UpstreamLine {
  readonly begin: (request: LineRequest, listener: AttemptListener, watch: AttemptWatch) => Attempt
  readonly close: () => Promise<void>
}

export interface UpstreamLineOptions {
  readonly settings: UpstreamSettings
  readonly credential: Credential
  readonly scheduler: Scheduler
  readonly monotonic: Clock
}

/** @throws SetupError `config_invalid` where its authorities cannot be read */
export function openUpstreamLine({ settings, credential, ...clocks }: UpstreamLineOptions): UpstreamLine {
  const { origin, pathname } = new URL(settings.url)
  const pathBefore = pathname.replace(/\/$/, '')
  const pool = createUpstreamPool({ origin, ca: readAuthorities(settings) })
  return {
    begin({ method, path, headers, body, firstByteBy, timeouts }, listener, watch) {
      const request = {
        method,
        path: pathBefore + path,
        headers: { ...headers, ...ownHeaders, ...credentialHeader(settings.keyHeader, credential.text()) },
        body,
      }
      const options = { pool, timeouts, firstByteBy, redact: credential.redact, ...clocks }
      return beginAttempt(request, listener, watch, options)
    },
    close: pool.close,
  }
}

/** Coded answers could not be read. */
const ownHeaders = { 'user-agent': `modelward/${packageVersion}`, 'accept-encoding': 'identity' }

function credentialHeader(name: string | undefined, text: string | undefined): Record<string, string> {
  if (text === undefined) return {}
  return name === undefined ? { authorization: `Bearer ${text}` } : { [name.toLowerCase()]: text }
}

function readAuthorities({ name, ca }: UpstreamSettings): string | undefined {
  if (ca === undefined) return undefined
  try {
    return readFileSync(ca, 'utf8')
  } catch (cause) {
    throw new SetupError('config_invalid', `upstreams.${name}.ca: expected a PEM file that can be read`, {
      cause,
    })
  }
}
