import { setImmediate as eventLoopTurn } from 'node:timers/promises'

/** Most turns of the event loop to wait: a steady stream of requests must not delay its first. */
const turnsMax = 16

export interface GroupCommitOptions {
  /** How much waits for a commit. */
  readonly waiting: () => number
  /** How much one commit takes: no more is waited for. */
  readonly commitMax: number
  /** Commits what waits, as much of it as one commit takes. Never rejects. */
  readonly commit: () => Promise<void>
}

/**
 * Group commit: what arrives during a commit shares the next. No artificial delay: if no commit is
 * under way, the next begins as soon as a turn of the event loop brings nothing more.
 */
export interface GroupCommit {
  /** Begins a commit, unless one is under way. */
  readonly begin: () => void
  /** Resolves once everything that waits has been committed. */
  readonly settled: () => Promise<void>
}

export function createGroupCommit({ waiting, commitMax, commit }: GroupCommitOptions): GroupCommit {
  let running: Promise<void> | undefined

  async function runCommits(): Promise<void> {
    while (waiting() > 0) {
      await untilQuietTurn(waiting, commitMax)
      await commit()
      // Answers leave in one turn, and the clients' next requests arrive in another. Without the
      // second turn, half of the connections lag one commit behind for good.
      await eventLoopTurn()
      await eventLoopTurn()
    }
    running = undefined
  }

  return {
    begin() {
      running ??= runCommits()
    },
    async settled() {
      await running
    },
  }
}

/**
 * Resolves at the first turn of the event loop that brings nothing. A commit for the first request
 * alone costs as much as one for all, and makes all others wait for it.
 */
async function untilQuietTurn(waiting: () => number, enough: number): Promise<void> {
  for (let taken = 0; taken < turnsMax; taken += 1) {
    const before = waiting()
    await eventLoopTurn()
    const now = waiting()
    if (now === before || now >= enough) return
  }
}
