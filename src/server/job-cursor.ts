import { Refusal } from '../core/refusal.ts'
import type { JobListCursor, JobListQuery } from '../jobs/job-service.ts'
import type { JobListRequest } from './job-schemas.ts'

/** The cursor behind a page's last job, opaque to clients. */
export function formatJobCursor({ createdAt, id }: JobListCursor): string {
  return Buffer.from(JSON.stringify([createdAt, id])).toString('base64url')
}

/** What a list asks the service. @throws Refusal `input_invalid` for a cursor that is none */
export function readJobQuery({ limit, cursor, status }: JobListRequest): JobListQuery {
  const asked = { limit, ...(status && { status }) }
  if (cursor === undefined) return asked
  const after = parseJobCursor(cursor)
  if (after !== undefined) return { ...asked, after }
  throw new Refusal('input_invalid', undefined, {
    errors: [{ loc: ['query', 'cursor'], msg: 'Expected the next_cursor of a page', type: 'cursor' }],
  })
}

function parseJobCursor(text: string): JobListCursor | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return undefined
  }
  if (!Array.isArray(parsed) || parsed.length !== 2) return undefined
  const [createdAt, id] = parsed as readonly unknown[]
  if (typeof createdAt !== 'number' || !Number.isSafeInteger(createdAt)) return undefined
  return typeof id === 'string' && /^job_[0-9A-Za-z]{22}$/.test(id) ? { createdAt, id } : undefined
}
