import { checkOptions, isBoolean, type OptionRule } from '../core/check-options.ts'
import { isNotInstalled } from '../core/runtime/not-installed.ts'
import { SetupError } from '../core/setup-error.ts'
import type { IdentifiedListener } from '../telemetry/telemetry-option.ts'
import type { AskedTracing, Tracing } from '../telemetry/tracing.ts'

/** What spans say. */
export interface OpenTelemetryOptions {
  /** Whether spans name owners, in `modelward.owner`. @default true */
  readonly owners?: boolean
}

const rules: Readonly<Record<keyof OpenTelemetryOptions, OptionRule>> = {
  owners: { expected: 'true or false', accepts: isBoolean },
}

/** A listener of spans; it gets those that begin once it was opened. */
export interface OpenTelemetryListener extends IdentifiedListener {
  readonly tracing: Tracing
  /** @throws SetupError `peer_missing` where the API is not installed, by rejecting */
  readonly open: () => Promise<void>
}

/**
 * Spans by the app's own OpenTelemetry SDK: under the span that is active where a request is
 * guarded, or, without one, as a trace of their own. Where the app has set up no SDK they cost next
 * to nothing.
 *
 * @throws TypeError for options that are unknown or wrong
 * @example
 * const ward = await openModelward({ data: './modelward-data', telemetry: [openTelemetry()] })
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): OpenTelemetryListener {
  checkOptions('openTelemetry', options, rules)
  const { owners = true } = options
  let opened: AskedTracing | undefined
  return {
    id: `opentelemetry owners=${owners}`,
    async open() {
      opened ??= (await load()).createOtelTracing(owners)
    },
    tracing: {
      tellsOwners: owners,
      begin: (name, outer) => opened?.begin(name, outer),
      active: () => opened?.active(),
      isOn: () => opened?.isOn() === true,
    },
  }
}

/** The API is an optional peer: who takes no spans installs none. */
async function load() {
  try {
    return await import('./otel-tracing.ts')
  } catch (cause) {
    if (!isNotInstalled(cause)) throw cause
    const says = 'traces need the package @opentelemetry/api: npm install @opentelemetry/api'
    throw new SetupError('peer_missing', says, { cause })
  }
}
