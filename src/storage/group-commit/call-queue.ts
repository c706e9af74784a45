import { createGroupCommit } from './group-commit.ts'

export interface CallQueueOptions<Item, Result> {
  /** Executes a group and gives an outcome for each item. Called again only once it has settled. */
  readonly send: (group: readonly Item[]) => Promise<readonly CallOutcome<Result>[]>
  /** What an item weighs; a group and the queue are bounded by weight. */
  readonly weigh: (item: Item) => number
  /** Most weight of a group, so that no call waits long for others; a heavier item goes alone. */
  readonly groupMax: number
  /** Most weight that waits: more is refused at once. */
  readonly waitingMax: number
  /** The error of a refused item. */
  readonly refuse: () => Error
}

export type CallOutcome<Result> = { readonly value: Result } | { readonly failure: unknown }

/** Calls that share commits, see `GroupCommit`; each has a promise and an outcome of its own. */
export interface CallQueue<Item, Result> {
  /** @throws what `send` rejected with, for every item of the group; by rejecting */
  readonly add: (item: Item) => Promise<Result>
  /** Resolves once everything added so far has settled. */
  readonly settled: () => Promise<void>
}

interface WaitingCall<Item, Result> {
  readonly item: Item
  readonly weight: number
  readonly resolve: (result: Result) => void
  readonly reject: (reason: unknown) => void
}

export function createCallQueue<Item, Result>(
  options: CallQueueOptions<Item, Result>,
): CallQueue<Item, Result> {
  const { send, weigh, groupMax, waitingMax, refuse } = options
  let calls: WaitingCall<Item, Result>[] = []
  let weight = 0

  function takeGroup(): readonly WaitingCall<Item, Result>[] {
    let taken = 0
    let count = 0
    for (const call of calls) {
      if (count > 0 && taken + call.weight > groupMax) break
      taken += call.weight
      count += 1
    }
    const group = count === calls.length ? calls : calls.slice(0, count)
    calls = count === calls.length ? [] : calls.slice(count)
    weight -= taken
    return group
  }

  async function commitGroup(): Promise<void> {
    const group = takeGroup()
    try {
      settle(group, await send(group.map(({ item }) => item)))
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }

  const commits = createGroupCommit({
    // A call may weigh nothing, and yet it waits.
    waiting: () => Math.max(weight, calls.length),
    commitMax: groupMax,
    commit: commitGroup,
  })
  return {
    add(item) {
      if (weight >= waitingMax) return Promise.reject(refuse())
      return new Promise((resolve, reject) => {
        const own = weigh(item)
        calls.push({ item, weight: own, resolve, reject })
        weight += own
        commits.begin()
      })
    },
    settled: commits.settled,
  }
}

function settle<Item, Result>(
  group: readonly WaitingCall<Item, Result>[],
  outcomes: readonly CallOutcome<Result>[],
): void {
  for (const [index, { resolve, reject }] of group.entries()) {
    const outcome = outcomes[index] ?? { failure: new Error('a group came back without an outcome') }
    if ('value' in outcome) resolve(outcome.value)
    else reject(outcome.failure)
  }
}
