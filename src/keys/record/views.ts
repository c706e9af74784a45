import type { KeyRecord } from './key-record.ts'
import { type KeyStatus, keyStatusAt } from './key-status.ts'
import type { OwnerRecord } from './owner-record.ts'

/**
 * A key as the admin API and the command line show it, without secrets and digests. Times are ISO
 * 8601, UTC.
 */
export interface KeyView {
  readonly id: string
  readonly name: string
  readonly owner: string
  readonly environment: 'live' | 'test'
  readonly status: KeyStatus
  readonly scopes: readonly string[]
  readonly metadata: Readonly<Record<string, unknown>>
  readonly addresses: readonly string[]
  /** The key's own limits; empty means none, null the deployment's default. */
  readonly limits: readonly string[] | null
  readonly imported: boolean
  readonly created_at: string
  readonly updated_at: string
  readonly not_before: string | null
  readonly expires_at: string | null
  readonly disabled_at: string | null
  /** Who disabled it: a key of its owner, which may enable it, or an operator. */
  readonly disabled_by: 'owner' | 'operator' | null
  readonly revoked_at: string | null
  readonly revoked_reason: string | null
  /** When its secret was proven last, to the minute. */
  readonly last_used_at: string | null
  /** The live secrets, newest first: when each was made and, after a rotation, when it ends. */
  readonly secrets: readonly { readonly created_at: string; readonly ends_at: string | null }[]
}

/** Shows a key at `now`, milliseconds since the epoch. */
export function viewKey(record: KeyRecord, now: number): KeyView {
  return {
    id: record.id,
    name: record.name,
    owner: record.owner,
    environment: record.environment,
    status: keyStatusAt(record, now),
    scopes: record.scopes,
    metadata: record.metadata,
    addresses: record.addresses,
    limits: record.limits,
    imported: record.imported,
    created_at: isoTime(record.createdAt),
    updated_at: isoTime(record.updatedAt),
    not_before: isoTimeOrNull(record.notBefore),
    expires_at: isoTimeOrNull(record.expiresAt),
    disabled_at: isoTimeOrNull(record.disabledAt),
    disabled_by: record.disabledAt === null ? null : record.isDisabledByOwner ? 'owner' : 'operator',
    revoked_at: isoTimeOrNull(record.revokedAt),
    revoked_reason: record.revokedReason,
    last_used_at: isoTimeOrNull(record.lastUsedAt),
    secrets: record.secrets
      .filter(({ endsAt }) => endsAt === null || now < endsAt)
      .map(({ createdAt, endsAt }) => ({ created_at: isoTime(createdAt), ends_at: isoTimeOrNull(endsAt) })),
  }
}

/** A stored owner as the admin API and the command line show it. Times are ISO 8601, UTC. */
export interface OwnerView {
  readonly owner: string
  readonly limits: readonly string[]
  readonly created_at: string
  readonly updated_at: string
}

/** Shows an owner. */
export function viewOwner({ owner, limits, createdAt, updatedAt }: OwnerRecord): OwnerView {
  return { owner, limits, created_at: isoTime(createdAt), updated_at: isoTime(updatedAt) }
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms)
}
