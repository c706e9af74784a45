import { isJobId } from './job.ts'
import type { JobListCursor } from './job-service.ts'

/** The cursor behind a page of jobs, opaque to clients. */
export function formatJobCursor({ createdAt, id }: JobListCursor): string {
  return Buffer.from(JSON.stringify(['job', createdAt, id])).toString('base64url')
}

/** Where the page before ended; undefined for anything that is not such a cursor. */
export function parseJobCursor(text: string): JobListCursor | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return undefined
  }
  if (!Array.isArray(parsed) || parsed.length !== 3 || parsed[0] !== 'job') return undefined
  const [, createdAt, id] = parsed as readonly unknown[]
  if (!Number.isSafeInteger(createdAt) || typeof id !== 'string' || !isJobId(id)) return undefined
  return { createdAt: Number(createdAt), id }
}
