import { describe, expect, onTestFinished, test } from 'vitest'
import { openPostgresKeyStore } from '../../src/storage/postgres/keys/open-key-store.ts'
import type { Postgres } from '../../src/storage/postgres/postgres.ts'
import { openTestSchema } from '../support/services.ts'
import { startProcess } from './child-process.ts'
import { digestOf, idOf, keyOf, ownerOf, peppers } from './key-fixtures.ts'
import { addAtOnce } from './owner-keys.contract.ts'
import { type OpenedPostgresKeys, openPostgresKeys } from './postgres-keys.ts'

async function openFleet(
  count: number,
): Promise<{ readonly url: string; readonly nodes: readonly OpenedPostgresKeys[] }> {
  const { url, drop } = await openTestSchema()
  onTestFinished(drop)
  const nodes = await Promise.all(Array.from({ length: count }, () => openPostgresKeys(url)))
  onTestFinished(async () => {
    for (const { close } of nodes) await close()
  })
  return { url, nodes }
}

describe('several processes on one database', () => {
  test('keys of an owner that are added by two nodes at once are as many as it may have', async () => {
    const { nodes } = await openFleet(2)
    expect(await addAtOnce(nodes.map(({ store }) => store))).toBe(5)
  })

  test('no reader misses a change, whichever process makes it: what each has seen is what is stored', async () => {
    const { url, nodes } = await openFleet(2)
    const perWriter = 40
    const writers = [1_000, 2_000, 3_000, 4_000]
    const children = writers.map((first) =>
      startProcess('write-keys-postgres', url, String(first), String(perWriter)),
    )
    let isWriting = true
    const readers = nodes.map(async ({ store }) => {
      const seen = new Map<string, number | undefined>()
      const first = await store.readChanges(undefined)
      let { cursor } = first
      for (let isLast = false; !isLast; ) {
        isLast = !isWriting
        const changes = await store.readChanges(cursor)
        cursor = changes.cursor
        if (changes.keyIds === 'all') throw new Error('too many to list')
        for (const id of changes.keyIds) seen.set(id, (await store.findKey(id))?.version)
      }
      return seen
    })
    await Promise.all(children.map(({ ended }) => ended))
    isWriting = false
    const stored = new Map<string, number>()
    for (const first of writers)
      for (let number = first; number < first + perWriter; number += 1)
        stored.set(idOf(number), number % 3 === 0 ? 2 : 1)
    for (const seen of await Promise.all(readers)) expect(seen).toEqual(stored)
  })

  test('kill -9 while keys are written: every key that was promised is there, and no change is half done', async () => {
    const { url, nodes } = await openFleet(1)
    const [node] = nodes
    let promised: readonly string[] = []
    for (const count of [1, 20, 40]) {
      const children = [1, 2].map((writer) =>
        startProcess('write-keys-postgres', url, String(100_000 * writer + 1_000 * count)),
      )
      await Promise.all(children.map((child) => child.waitForLines(count)))
      for (const child of children) promised = [...promised, ...(await child.kill())]
    }
    for (const id of promised) {
      const number = Number(id.slice(1))
      const found = await node?.store.findKey(id)
      expect(found?.version, id).toBe(number % 3 === 0 ? 2 : 1)
      if (number % 2 === 0) expect((await node?.store.findImportedKey([digestOf(id)]))?.id).toBe(id)
    }
    // Adds up the numbers of all rows.
    await (await openPostgresKeys(url)).close()
  })

  test('many that open an empty database at once all get it', async () => {
    const { url } = await openFleet(0)
    const children = [1, 2, 3, 4].map((number) =>
      startProcess('write-keys-postgres', url, String(number * 100), '1'),
    )
    for (const child of children) expect(await child.ended).toHaveLength(1)
    const again = await openPostgresKeys(url)
    onTestFinished(again.close)
    for (const number of [100, 200, 300, 400]) expect(await again.store.findKey(idOf(number))).toBeDefined()
  })
})

describe('changes of several nodes', () => {
  test('a node that is frozen in a change keeps the others from changing keys for seconds, not for ever', async () => {
    const { url, nodes } = await openFleet(2)
    const [frozen, node] = nodes
    if (frozen === undefined || node === undefined) throw new Error('two nodes')
    const reached = Promise.withResolvers<void>()
    const store = await openPostgresKeyStore({
      postgres: stoppingInChanges(frozen.postgres, reached.resolve),
      url,
      peppers,
      clock: Date.now,
    })
    onTestFinished(store.close)
    const stopped = store.addKeys([keyOf(idOf(1))]).catch((error: unknown) => error)
    await reached.promise
    await expect(node.store.addKeys([keyOf(idOf(2))])).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await node.store.findKey(idOf(2))).toBeUndefined()
    let outcome: string | undefined
    while (outcome === undefined)
      outcome = await node.store.addKeys([keyOf(idOf(2))]).then(
        (added) => added.outcome,
        () => undefined,
      )
    expect(outcome).toBe('added')
    expect(await node.store.findKey(idOf(1))).toBeUndefined()
    void stopped
  })

  test('uses that nodes note at once, in any order and beside changes, are all noted and never a deadlock', async () => {
    const { nodes } = await openFleet(3)
    const numbers = Array.from({ length: 100 }, (_, number) => number)
    const [one] = nodes
    await one?.store.addKeys(numbers.map((number) => keyOf(idOf(number))))
    const usesAt = (at: number): { keyId: string; at: number }[] =>
      numbers.map((number) => ({ keyId: idOf(number), at: at + number }))
    await Promise.all(
      nodes.flatMap(({ store }, node) =>
        Array.from({ length: 12 }, async (_, turn) => {
          const uses = usesAt(1_000 * (turn + 1) + node * 100)
          await store.noteUses(turn % 2 === 0 ? uses : uses.reverse())
          await store.noteUses(uses.slice(0, 10 + 20 * node))
          if (turn < 6) await store.replaceOwner(ownerOf(`owner ${node} ${turn}`))
        }),
      ),
    )
    await one?.store.replaceKey(keyOf(idOf(0), { version: 2 }))
    for (const number of numbers)
      expect((await one?.store.findKey(idOf(number)))?.lastUsedAt).toBe(12_000 + 200 + number)
  })
})

/** The same, whose process says no more once a transaction has made its first statement. */
function stoppingInChanges(postgres: Postgres, onStopped: () => void): Postgres {
  return {
    ...postgres,
    transaction: (run, mode) =>
      postgres.transaction(
        (query) =>
          run(async (text, values) => {
            const rows = await query(text, values)
            if (mode?.includes('READ WRITE') !== true) return rows as never
            onStopped()
            return new Promise(() => {})
          }),
        mode,
      ),
  }
}
