import type { HeldJob } from './held-job.ts'
import { createJobHeap, type JobHeap } from './job-heap.ts'

/** The jobs that are due, in the order in which they are to be taken: owners take turns, one job each. */
export interface JobTurns {
  readonly add: (job: HeldJob) => void
  /** False where it is not in. */
  readonly remove: (job: HeldJob) => boolean
  /** Takes out the next job of one of these models. O(models × log n). */
  readonly take: (models: readonly string[]) => HeldJob | undefined
  /** An owner of whom no job is left. */
  readonly forget: (owner: string) => void
}

interface OwnerTurn {
  /** Lower comes first. A new owner's is behind everybody's, so that coming and going gains nobody a turn. */
  turn: number
  /** By model, the owner's jobs that are due; no heap is empty. */
  readonly due: Map<string, JobHeap<HeldJob>>
}

export function createJobTurns(): JobTurns {
  const turns = new Map<string, OwnerTurn>()
  /** By model, the owners who have due jobs for it; no heap is empty. */
  const owners = new Map<string, JobHeap<OwnerTurn>>()
  let lastTurn = 0

  function remove(job: HeldJob): boolean {
    const { owner, model } = job.record
    const turn = turns.get(owner)
    const heap = turn?.due.get(model)
    if (turn === undefined || heap === undefined || !heap.remove(job)) return false
    if (heap.size() > 0) return true
    turn.due.delete(model)
    dropFrom(owners, model, turn)
    return true
  }

  /** Puts an owner behind all others. */
  function passTurn(turn: OwnerTurn): void {
    for (const model of turn.due.keys()) dropFrom(owners, model, turn)
    lastTurn += 1
    turn.turn = lastTurn
    for (const model of turn.due.keys()) heapOf(owners, model, isTurnBefore).add(turn)
  }

  return {
    remove,
    add(job) {
      const { owner, model } = job.record
      let turn = turns.get(owner)
      if (turn === undefined) {
        lastTurn += 1
        turn = { turn: lastTurn, due: new Map() }
        turns.set(owner, turn)
      }
      const heap = heapOf(turn.due, model, isJobBefore)
      heap.add(job)
      if (heap.size() === 1) heapOf(owners, model, isTurnBefore).add(turn)
    },
    take(models) {
      const turn = firstOf(
        models.map((model) => owners.get(model)?.first()),
        isTurnBefore,
      )
      if (turn === undefined) return undefined
      const job = firstOf(
        models.map((model) => turn.due.get(model)?.first()),
        isJobBefore,
      )
      if (job === undefined) return undefined
      remove(job)
      passTurn(turn)
      return job
    },
    forget: (owner) => void turns.delete(owner),
  }
}

function isTurnBefore(one: OwnerTurn, other: OwnerTurn): boolean {
  return one.turn < other.turn
}

function isJobBefore(one: HeldJob, other: HeldJob): boolean {
  const priority = one.record.priority - other.record.priority
  return priority > 0 || (priority === 0 && one.seq < other.seq)
}

function heapOf<T>(
  heaps: Map<string, JobHeap<T>>,
  name: string,
  isBefore: (one: T, other: T) => boolean,
): JobHeap<T> {
  const found = heaps.get(name) ?? createJobHeap(isBefore)
  heaps.set(name, found)
  return found
}

function dropFrom<T>(heaps: Map<string, JobHeap<T>>, name: string, item: T): void {
  const heap = heaps.get(name)
  heap?.remove(item)
  if (heap?.size() === 0) heaps.delete(name)
}

function firstOf<T>(
  items: readonly (T | undefined)[],
  isBefore: (one: T, other: T) => boolean,
): T | undefined {
  return items.reduce(
    (first, item) => (item === undefined || (first !== undefined && !isBefore(item, first)) ? first : item),
    undefined,
  )
}
