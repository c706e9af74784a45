import { type Scheduler, stayAlive } from '../core/scheduler.ts'

/** Notifies followers of a job that it may have changed. */
export interface JobChanges {
  readonly follow: (id: string) => Following
  /** A job has changed. */
  readonly notify: (id: string) => void
  /**
   * Any job may have changed: the next few hundred followers look again now, the others in their
   * turn.
   */
  readonly notifyAll: () => void
  /** Ends every wait, now and from now on. */
  readonly close: () => void
}

/**
 * One follower of a job. Changes between two waits count as one: nothing piles up for a slow
 * reader.
 */
export interface Following {
  /**
   * Resolves to true when the job may have changed since the last wait, and to false when `waitMs`
   * are over, the signal aborts or the changes are closed.
   */
  readonly changed: (options: {
    readonly waitMs?: number
    readonly signal?: AbortSignal | undefined
  }) => Promise<boolean>
  readonly stop: () => void
}

/**
 * A hint of another process's change may be lost: followers also look again by themselves, this
 * often.
 */
const lookAgainMs = 1_000

/**
 * Most followers that look again in one turn, the others in the next, so that ten thousand open
 * streams do not keep the store busy.
 */
const lookAgainMax = 200

export function createJobChanges(scheduler: Scheduler): JobChanges {
  const byJob = new Map<string, Set<Follower>>()
  const inTurn = new Set<Follower>()
  let isClosed = false
  let cancel: (() => void) | undefined

  function lookAgain(): void {
    cancel = inTurn.size === 0 || isClosed ? undefined : scheduler.after(lookAgainMs, lookAgain)
    notifySome()
  }

  function notifySome(): void {
    for (const follower of [...inTurn].slice(0, lookAgainMax)) {
      inTurn.delete(follower)
      inTurn.add(follower)
      follower.notify()
    }
  }

  function remove(id: string, follower: Follower): void {
    const followers = byJob.get(id)
    followers?.delete(follower)
    if (followers?.size === 0) byJob.delete(id)
    inTurn.delete(follower)
    if (inTurn.size > 0) return
    cancel?.()
    cancel = undefined
  }

  return {
    follow(id) {
      const follower = new Follower(scheduler, isClosed)
      const followers = byJob.get(id) ?? new Set()
      byJob.set(id, followers.add(follower))
      inTurn.add(follower)
      if (!isClosed) cancel ??= scheduler.after(lookAgainMs, lookAgain)
      return { changed: (options) => follower.changed(options), stop: () => remove(id, follower) }
    },
    notify(id) {
      for (const follower of byJob.get(id) ?? []) follower.notify()
    },
    notifyAll: notifySome,
    close() {
      isClosed = true
      cancel?.()
      for (const follower of inTurn) follower.close()
    },
  }
}

class Follower {
  readonly #scheduler: Scheduler
  #hasChanged = false
  #isClosed: boolean
  #wake: (() => void) | undefined

  constructor(scheduler: Scheduler, isClosed: boolean) {
    this.#scheduler = scheduler
    this.#isClosed = isClosed
  }

  notify(): void {
    this.#hasChanged = true
    this.#wake?.()
  }

  close(): void {
    this.#isClosed = true
    this.#wake?.()
  }

  async changed({ waitMs, signal }: Parameters<Following['changed']>[0]): Promise<boolean> {
    if (!this.#hasChanged && !this.#isClosed && signal?.aborted !== true) await this.#wait(waitMs, signal)
    if (this.#isClosed || signal?.aborted === true) return false
    const hasChanged = this.#hasChanged
    this.#hasChanged = false
    return hasChanged
  }

  async #wait(waitMs: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    const woken = Promise.withResolvers<void>()
    this.#wake = woken.resolve
    const cancel = waitMs === undefined ? undefined : this.#scheduler.after(waitMs, woken.resolve)
    const onAbort = (): void => woken.resolve()
    signal?.addEventListener('abort', onAbort)
    await stayAlive(woken.promise)
    signal?.removeEventListener('abort', onAbort)
    this.#wake = undefined
    cancel?.()
  }
}
