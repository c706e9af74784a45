import { openModelward } from 'modelward'

/** The one ward that all routes share. */
export const ward = await openModelward({ data: './modelward-data' })
