import { openModelward, type Ward } from 'modelward'

let opening: Promise<Ward<true>> | undefined

/** Opens the ward of all routes at the first request, so that `next build` opens nothing. */
export function openWard(): Promise<Ward<true>> {
  opening ??= openModelward({ data: './modelward-data' })
  return opening
}
