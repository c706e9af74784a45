import type { FleetNode } from './storage.ts'

/** A node of a fleet as the API and the command line show it. */
export interface NodeView {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly schema_known: number
  readonly started_at: string
  readonly seen_at: string
  readonly live: boolean
}

export function viewNode({ id, name, version, schemaKnown, startedAt, seenAt, isLive }: FleetNode): NodeView {
  return {
    id,
    name,
    version,
    schema_known: schemaKnown,
    started_at: new Date(startedAt).toISOString(),
    seen_at: new Date(seenAt).toISOString(),
    live: isLive,
  }
}
