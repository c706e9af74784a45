import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { predict } from './open-fleet.ts'

type Ask = () => Promise<Response>

/**
 * Asks again for as long as the answer is 503, as clients do that are told when to come again: a
 * machine on which Redis does not run for a quarter of a second has an outage. For tests that are
 * about none.
 *
 * @returns all answers; the last is the one that was waited for
 */
export async function askUntilServed(ask: Ask): Promise<readonly Response[]> {
  const answers = [await ask()]
  while (answers.at(-1)?.status === 503) {
    await delay(20)
    answers.push(await ask())
  }
  return answers
}

/** The answer that `askUntilServed` waits for. */
export async function askPatiently(ask: Ask): Promise<Response> {
  return (await askUntilServed(ask)).at(-1) as Response
}

/** Asks a node's model so. */
export function predictPatiently(...asked: Parameters<typeof predict>): Promise<Response> {
  return askPatiently(() => predict(...asked))
}

/**
 * Expects that of requests, made by `askUntilServed`, so many were admitted and all others refused
 * by their limit. One that was asked again may have been counted at once: Redis had it in time.
 */
export function expectAdmitted(amount: number, asked: readonly (readonly Response[])[]): void {
  const statuses = asked.map((answers) => answers.at(-1)?.status)
  const admitted = statuses.filter((status) => status === 200).length
  const again = asked.reduce((sum, { length }) => sum + length - 1, 0)
  expect(admitted).toBeLessThanOrEqual(amount)
  expect(admitted).toBeGreaterThanOrEqual(amount - again)
  expect(statuses.filter((status) => status === 429)).toHaveLength(asked.length - admitted)
}
