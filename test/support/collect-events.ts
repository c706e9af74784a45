import { createTelemetry, type OperationalEvent, type Telemetry } from '../../src/telemetry/telemetry.ts'

/**
 * A telemetry that collects its events, and their names; not those of checkpoints, which come with
 * every ledger.
 */
export function collectEvents(): {
  readonly telemetry: Telemetry
  readonly events: OperationalEvent[]
  readonly names: readonly string[]
  /** Resolves once an event of this name was reported, or has been. */
  readonly until: (name: string) => Promise<void>
} {
  const events: OperationalEvent[] = []
  const { names, note, until } = collectNames()
  const telemetry = createTelemetry([
    (event) => {
      if (event.name === 'ledger.checkpoint') return
      events.push(event)
      note(event.name)
    },
  ])
  return { telemetry, events, names, until }
}

/** Collects the names of events from a server's log. */
export function collectLogged(): Omit<ReturnType<typeof collectNames>, 'note'> & {
  readonly logStream: { readonly write: (line: string) => void }
} {
  const { names, note, until } = collectNames()
  const write = (line: string): void => {
    const { event } = JSON.parse(line) as { readonly event?: string }
    if (event !== undefined) note(event)
  }
  return { names, until, logStream: { write } }
}

function collectNames() {
  const names: string[] = []
  const waiting = new Map<string, PromiseWithResolvers<void>>()
  return {
    names: names as readonly string[],
    note(name: string): void {
      names.push(name)
      waiting.get(name)?.resolve()
    },
    async until(name: string): Promise<void> {
      if (names.includes(name)) return
      const awaited = waiting.get(name) ?? Promise.withResolvers<void>()
      waiting.set(name, awaited)
      await awaited.promise
    },
  }
}
