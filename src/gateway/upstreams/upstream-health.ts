import { every, type Scheduler } from '../../core/scheduler.ts'
import type { AskUpstream } from './upstream.ts'

/** Between two checks. */
const checkMs = 10_000

/** How long an upstream may take to say that it is well. */
const answerMs = 2_000

/** Most that it may say. */
const answerBytesMax = 64 * 1024

/**
 * Asks an upstream how it is, at once and every ten seconds.
 *
 * @param onChecked gets what is wrong, or undefined
 * @returns what ends that
 */
export function watchHealth(
  path: string,
  ask: AskUpstream,
  scheduler: Scheduler,
  onChecked: (problem: string | undefined) => void,
): () => void {
  let hasEnded = false

  async function check(): Promise<void> {
    const answer = await ask(path, { withinMs: answerMs, bytesMax: answerBytesMax })
    if (!hasEnded) onChecked('problem' in answer ? answer.problem : undefined)
  }

  void check()
  const stop = every(scheduler, checkMs, () => void check())
  return () => {
    hasEnded = true
    stop()
  }
}
