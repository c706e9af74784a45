import type { TelemetryListener } from './telemetry.ts'

/** A listener as an app names it. */
export interface IdentifiedListener extends TelemetryListener {
  /** Called once, before anything is told; what it rejects with, `openModelward` does. */
  readonly open?: () => Promise<void>
  /** Says what it is: two that say the same are one. @default only the same object is the same */
  readonly id?: string
}

/** What each kind of listener is made of. */
const functionsOf: Readonly<Record<keyof TelemetryListener, readonly string[]>> = {
  tracing: ['begin', 'active'],
  measures: ['request', 'figure'],
}

const kinds = Object.keys(functionsOf) as readonly (keyof TelemetryListener)[]

/** The rule of the option `telemetry`. */
export const telemetryRule: {
  readonly expected: string
  readonly accepts: (value: unknown) => boolean
} = {
  expected: 'an array of listeners, one of a kind, such as openTelemetry() and prometheus()',
  accepts: (value) => Array.isArray(value) && value.every(isListener) && hasOneOfEach(value),
}

function isListener(value: unknown): value is IdentifiedListener {
  if (typeof value !== 'object' || value === null) return false
  const { id, ...listens } = value as Readonly<Record<string, unknown>>
  // Its own functions are the app's to call.
  const names = Object.keys(listens).filter(
    (name) => listens[name] !== undefined && typeof listens[name] !== 'function',
  )
  return (id === undefined || typeof id === 'string') && names.length > 0 && names.every(isKindOf)

  function isKindOf(name: string): boolean {
    const needed = Object.hasOwn(functionsOf, name) ? functionsOf[name as keyof TelemetryListener] : undefined
    const kind = listens[name]
    if (needed === undefined || typeof kind !== 'object' || kind === null) return false
    return needed.every((method) => typeof Reflect.get(kind, method) === 'function')
  }
}

function hasOneOfEach(listeners: readonly IdentifiedListener[]): boolean {
  return kinds.every((kind) => listeners.filter((listener) => listener[kind] !== undefined).length <= 1)
}

/** One listener of all of them, which were checked. */
export function joinListeners(listeners: readonly IdentifiedListener[] = []): TelemetryListener {
  const named = listeners.flatMap((listener) => kinds.map((kind) => [kind, listener[kind]] as const))
  return Object.fromEntries(named.filter(([, listens]) => listens !== undefined))
}
