import { isCallStart } from '../../../ledger/format/record.ts'
import type { Ledger } from '../../../ledger/ledger.ts'

/** Appends entries, and follows which calls have begun in the stream and have no end yet. */
export interface BegunCalls extends Pick<Ledger, 'append'> {
  /**
   * Another node has closed the stream, and ends the calls that were begun in it: an end of one of
   * them counts as recorded from now on. Of answers of an app it ends none.
   *
   * @returns whether there are such calls: what waits to be written may then be an end of one
   */
  readonly endedElsewhere: () => boolean
}

export function followBegunCalls(append: Ledger['append']): BegunCalls {
  const open = new Set<string>()
  const elsewhere = new Set<string>()

  return {
    append(entry) {
      const { event, requestId } = entry
      const isEnd = event === 'request.finished'
      if (requestId === null || (!isEnd && !isCallStart(entry))) return append(entry)
      if (isEnd && elsewhere.delete(requestId)) return Promise.resolve()
      const appended = append(entry)
      const forget = (): void => {
        open.delete(requestId)
        if (!isEnd) elsewhere.delete(requestId)
      }
      if (isEnd) {
        // One that was refused comes again.
        if (open.has(requestId)) appended.then(forget, () => {})
      } else {
        open.add(requestId)
        appended.catch(forget)
      }
      return appended
    },
    endedElsewhere() {
      const hasCalls = open.size > 0
      for (const id of open) elsewhere.add(id)
      open.clear()
      return hasCalls
    },
  }
}
