import { openModelward, type Ward } from 'modelward'

let opening: Promise<Ward<true>> | undefined

/** Opens the one ward that all routes share, when the first request comes: `next build` imports routes, and opens nothing. */
export function openWard(): Promise<Ward<true>> {
  opening ??= openModelward({ data: './modelward-data' })
  return opening
}
