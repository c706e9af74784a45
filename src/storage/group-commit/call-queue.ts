import { turnsOfAnswers, turnsThatBringMore } from './event-loop-turns.ts'

export interface GroupQueueOptions<Item, Result> {
  /** Carries out a group, all of it at once, and gives an outcome for each. Called again only once it has settled. */
  readonly send: (group: readonly Item[]) => Promise<readonly GroupOutcome<Result>[]>
  /** What an item weighs; a group and the queue are bounded by weight. */
  readonly weigh: (item: Item) => number
  /** What a group weighs at most, so that nobody waits long for others; a heavier item goes alone. */
  readonly groupMax: number
  /** What waits at most: more is refused at once. */
  readonly waitingMax: number
  /** What refuses it. */
  readonly refuse: () => Error
}

export type GroupOutcome<Result> = { readonly value: Result } | { readonly failure: unknown }

/**
 * Gathers items while a group is under way, and sends them all once it is done. Nothing waits on purpose: an item that comes while
 * nothing is under way goes at the end of the event loop's turn.
 */
export interface GroupQueue<Item, Result> {
  /** @throws what `send` rejected with, for every item of the group; by rejecting */
  readonly add: (item: Item) => Promise<Result>
  /** Resolves once everything that was added until now has settled. */
  readonly settled: () => Promise<void>
}

interface Waiting<Item, Result> {
  readonly item: Item
  readonly weight: number
  readonly resolve: (result: Result) => void
  readonly reject: (reason: unknown) => void
}

export function createGroupQueue<Item, Result>(
  options: GroupQueueOptions<Item, Result>,
): GroupQueue<Item, Result> {
  const { send, weigh, groupMax, waitingMax, refuse } = options
  let gathering: Waiting<Item, Result>[] = []
  let weight = 0
  let running: Promise<void> | undefined

  function takeGroup(): readonly Waiting<Item, Result>[] {
    let taken = 0
    let count = 0
    for (const waiting of gathering) {
      if (count > 0 && taken + waiting.weight > groupMax) break
      taken += waiting.weight
      count += 1
    }
    const group = count === gathering.length ? gathering : gathering.slice(0, count)
    gathering = count === gathering.length ? [] : gathering.slice(count)
    weight -= taken
    return group
  }

  async function run(): Promise<void> {
    while (gathering.length > 0) {
      await turnsThatBringMore(
        () => gathering.length,
        () => weight >= groupMax,
      )
      const group = takeGroup()
      try {
        settle(group, await send(group.map(({ item }) => item)))
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
      await turnsOfAnswers()
    }
    running = undefined
  }

  return {
    add(item) {
      if (weight >= waitingMax) return Promise.reject(refuse())
      return new Promise((resolve, reject) => {
        const own = weigh(item)
        gathering.push({ item, weight: own, resolve, reject })
        weight += own
        running ??= run()
      })
    },
    async settled() {
      await running
    },
  }
}

function settle<Item, Result>(
  group: readonly Waiting<Item, Result>[],
  outcomes: readonly GroupOutcome<Result>[],
): void {
  for (const [index, { resolve, reject }] of group.entries()) {
    const outcome = outcomes[index] ?? { failure: new Error('a group came back without an outcome') }
    if ('value' in outcome) resolve(outcome.value)
    else reject(outcome.failure)
  }
}
