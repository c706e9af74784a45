import { createClient } from '@redis/client'
import pg from 'pg'
import { expect } from 'vitest'
import { predict } from './open-fleet.ts'

/** A node, by where it listens. */
export interface Node {
  readonly address: string
}

export interface NodeAnswer {
  readonly status: number
  readonly code: string | undefined
  /** Seconds; undefined where the answer names none. */
  readonly retryAfter: number | undefined
  /** Milliseconds that it took. */
  readonly ms: number
}

/** Asks for a prediction, and says how long that took. */
export async function ask(node: Node, key: string): Promise<NodeAnswer> {
  const begin = performance.now()
  const answer = await predict(node, key)
  const { code } = (await answer.json()) as { readonly code?: string }
  const seconds = answer.headers.get('retry-after')
  const retryAfter = seconds === null ? undefined : Number(seconds)
  return { status: answer.status, code, retryAfter, ms: performance.now() - begin }
}

export async function readyStatus({ address }: Node): Promise<number> {
  return (await fetch(`${address}/ready`)).status
}

export async function healthStatus({ address }: Node): Promise<number> {
  return (await fetch(`${address}/health`)).status
}

/** Asks until the answer is the one that is waited for. */
export async function until(node: Node, key: string, expected: Partial<NodeAnswer>): Promise<void> {
  await expect.poll(() => ask(node, key), { interval: 20 }).toMatchObject(expected)
}

/**
 * Asks until a key with a window of a minute waits for it, as one does that was forgotten. Until
 * the loss is found it is answered, or told of an outage, which is over sooner.
 */
export async function untilWaits(node: Node, key: string): Promise<void> {
  const waitOf = async (): Promise<number | undefined> => {
    const { code, retryAfter } = await ask(node, key)
    return code === 'limiter_unavailable' ? retryAfter : undefined
  }
  await expect.poll(waitOf).toSatisfy((seconds) => Number(seconds) > 30 && Number(seconds) <= 61)
}

/** One statement, on a connection of its own. */
export async function runSql(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

/** Commands, one after another, on a connection of their own. */
export async function runRedis(url: string, ...commands: readonly string[]): Promise<readonly string[]> {
  const client = createClient({ url, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  try {
    const answers: string[] = []
    for (const command of commands) answers.push(String(await client.sendCommand(command.split(' '))))
    return answers
  } finally {
    client.destroy()
  }
}
