/** Milliseconds that an answer takes at most on a machine that runs the server all the time. */
const answerMs = 50

/**
 * Asks until an answer is the one that is waited for.
 *
 * @returns how long that took, in milliseconds in which the server was run: of an answer that took
 *   longer than `answerMs` no more counts, for the server heard nothing meanwhile
 */
export async function heardAfter<Answer>(
  ask: () => Promise<Answer>,
  isHeard: (answer: Answer) => boolean,
): Promise<number> {
  for (let ms = 0; ; ) {
    const askedAt = performance.now()
    const answer = await ask()
    ms += Math.min(answerMs, performance.now() - askedAt)
    if (isHeard(answer)) return ms
  }
}
