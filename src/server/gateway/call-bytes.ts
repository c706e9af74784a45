import type { AnswerKeeper } from '../../gateway/call/answer-keeper.ts'
import type { ByteBudget } from '../http/byte-budget.ts'
import { type BytesHolder, holdBody, takeHeld } from '../http/bytes-in-flight.ts'

/** What a call holds in memory of the budget that all requests share. */
export interface CallBytes {
  /** Holds so many bytes of an answer; false: they do not fit. */
  readonly hold: (bytes: number) => boolean
  /**
   * Holds them from now on until the call is over: one whose answer is kept goes on when its client
   * has gone, with whom all others are released.
   */
  readonly holdFor: (keeper: AnswerKeeper) => AnswerKeeper
}

/** Bytes of an answer that are held in one step; fewer would not count at all. */
const heldAtOnce = 16_384

export function holdCallBytes(budget: ByteBudget, holder: BytesHolder): CallBytes {
  const { response } = holder
  let held = 0
  let holdMore = (bytes: number): void => holdBody(budget, bytes, holder)

  return {
    hold(bytes) {
      // Small pieces count together, as soon as there are enough of them.
      if (bytes - held < heldAtOnce) return true
      try {
        holdMore(bytes - held)
        held = bytes
        return true
      } catch {
        return false
      }
    },
    holdFor({ keep, release }) {
      const lease = takeHeld(holder.request) ?? budget.lease(holder.owner)
      holdMore = (bytes) => lease.hold(lease.bytes + bytes)
      return {
        keep,
        async release() {
          // All ends of a call come here; what it answers may still have to leave.
          if (response.closed) lease.release()
          else response.once('close', () => lease.release())
          await release()
        },
      }
    },
  }
}
