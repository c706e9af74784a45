import type { TelemetryListener } from './telemetry.ts'

/** A listener as an app names it. */
export interface IdentifiedListener extends TelemetryListener {
  /** Says what it is: two that say the same are one. @default only the same object is the same */
  readonly id?: string
}

/** What each kind of listener is made of. */
const functionsOf: Readonly<Record<keyof TelemetryListener, readonly string[]>> = {
  tracing: ['begin', 'active'],
}

const kinds = Object.keys(functionsOf) as readonly (keyof TelemetryListener)[]

/** The rule of the option `telemetry`. */
export const telemetryRule: {
  readonly expected: string
  readonly accepts: (value: unknown) => boolean
} = {
  expected: 'an array of listeners, one of a kind, such as openTelemetry()',
  accepts: (value) => Array.isArray(value) && value.every(isListener) && hasOneOfEach(value),
}

function isListener(value: unknown): value is IdentifiedListener {
  if (typeof value !== 'object' || value === null) return false
  const { id, ...listens } = value as Readonly<Record<string, unknown>>
  const names = Object.keys(listens).filter((name) => listens[name] !== undefined)
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
  const named = listeners.flatMap((listener) => Object.entries(listener))
  return Object.fromEntries(named.filter(([name, kind]) => name !== 'id' && kind !== undefined))
}
