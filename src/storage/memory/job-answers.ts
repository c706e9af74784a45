import type {
  AnswerReservation,
  KeptAnswer,
  KeptAnswers,
  ReserveOutcome,
} from '../../idempotency/idempotency-store.ts'
import { createJobHeap } from './job-heap.ts'

type Calls = {
  readonly [Name in keyof KeptAnswers]: (
    ...args: Parameters<KeptAnswers[Name]>
  ) => Awaited<ReturnType<KeptAnswers[Name]>>
}

/** Names that requests took, and the answers kept under them. */
export interface JobAnswers extends Calls {
  readonly isHeld: (reservation: Pick<AnswerReservation, 'id' | 'holder'>) => boolean
  /** Forgets the one that ended first, if one has. */
  readonly forgetOne: (now: number) => boolean
}

interface HeldName {
  readonly id: string
  readonly requestDigest: string
  readonly holder: string
  /** Null while the request is under way. */
  readonly sealed: Uint8Array | null
  /** When the reservation ends, or the answer expires. */
  readonly endsAt: number
}

export function createJobAnswers(): JobAnswers {
  const names = new Map<string, HeldName>()
  const ending = createJobHeap<HeldName>((one, other) => one.endsAt < other.endsAt)

  function drop(id: string): void {
    const name = names.get(id)
    if (name === undefined) return
    names.delete(id)
    ending.remove(name)
  }

  function put(name: HeldName): void {
    drop(name.id)
    names.set(name.id, name)
    ending.add(name)
  }

  function isHeld({ id, holder }: Pick<AnswerReservation, 'id' | 'holder'>): boolean {
    const name = names.get(id)
    return name !== undefined && name.sealed === null && name.holder === holder
  }

  return {
    isHeld,
    reserve({ until, ...reservation }, now) {
      const name = names.get(reservation.id)
      if (name !== undefined && name.endsAt > now) return outcomeOf(name)
      put({ ...reservation, sealed: null, endsAt: until })
      return { outcome: 'reserved' }
    },
    keep(answer) {
      if (!isHeld(answer)) return false
      put(nameOf(answer))
      return true
    },
    release(reservation) {
      if (isHeld(reservation)) drop(reservation.id)
    },
    forgetOne(now) {
      const name = ending.first()
      if (name === undefined || name.endsAt > now) return false
      drop(name.id)
      return true
    },
  }
}

function nameOf({ id, requestDigest, holder, sealed, expiresAt }: KeptAnswer): HeldName {
  return { id, requestDigest, holder, sealed: new Uint8Array(sealed), endsAt: expiresAt }
}

/** Bytes cannot be frozen, so each caller gets its own. */
function outcomeOf({ requestDigest, sealed }: HeldName): ReserveOutcome {
  if (sealed === null) return { outcome: 'taken', requestDigest }
  return { outcome: 'answered', requestDigest, sealed: new Uint8Array(sealed) }
}
