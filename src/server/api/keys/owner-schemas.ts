import { z } from 'zod'
import type { OwnerView } from '../../../keys/owner-view.ts'

export interface OwnerBody {
  readonly limits: readonly string[]
}

export interface OwnerListQuery {
  readonly limit: number
  readonly cursor?: string
}

export const ownerBody: z.ZodType<OwnerBody> = z.strictObject({
  limits: z
    .array(z.string())
    .describe('What all keys of the owner may use together; empty: as much as each may.'),
})

export const ownerParams: z.ZodType<{ readonly owner: string }> = z.object({ owner: z.string() })

export const ownerListQuery: z.ZodType<OwnerListQuery> = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  cursor: z.string().exactOptional(),
})

/** What is kept of an owner as it is shown, for OpenAPI. */
export const ownerView: z.ZodType<OwnerView> = z.object({
  owner: z.string(),
  limits: z.array(z.string()),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
})

export const ownerPageView: z.ZodType<{
  readonly owners: readonly OwnerView[]
  readonly next_cursor: string | null
}> = z.object({ owners: z.array(ownerView), next_cursor: z.string().nullable() })
