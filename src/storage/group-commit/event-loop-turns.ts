/** How many turns of the event loop are awaited at most: a stream of requests that never pauses must not hold the first of them. */
const turnsMax = 16

/**
 * Resolves at the first turn of the event loop that brings nothing. What is on its way goes together: a commit for the first alone would have
 * all the others wait for it, and costs as much as one for all.
 *
 * @param count how much waits
 * @param isEnough whether no more need be waited for
 */
export async function turnsThatBringMore(count: () => number, isEnough: () => boolean): Promise<void> {
  for (let taken = 0; taken < turnsMax; taken += 1) {
    const before = count()
    await turn()
    if (count() === before || isEnough()) return
  }
}

/**
 * Resolves when the answers to a commit have left, which takes one turn, and what was waited for with them has been read, which takes another: two halves
 * of one crowd, which would take turns from then on, become one again.
 */
export async function turnsOfAnswers(): Promise<void> {
  await turn()
  await turn()
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
