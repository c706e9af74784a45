import { Refusal } from '../../../core/refusal.ts'
import { parseJobCursor } from '../../../jobs/job-cursor.ts'
import type { JobListQuery } from '../../../jobs/job-service.ts'
import type { JobListRequest } from './job-schemas.ts'

/** What a list asks the service. @throws Refusal `input_invalid` for a cursor that is none */
export function readJobQuery({ limit, cursor, status, owner }: JobListRequest): JobListQuery {
  const asked = { limit, ...(status && { status }), ...(owner !== undefined && { owner }) }
  if (cursor === undefined) return asked
  const after = parseJobCursor(cursor)
  if (after !== undefined) return { ...asked, after }
  throw new Refusal('input_invalid', undefined, {
    errors: [{ loc: ['query', 'cursor'], msg: 'Expected the next_cursor of a page', type: 'cursor' }],
  })
}
