import fs, { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Fault } from '../core/fault.ts'
import type { KeyRecord } from '../keys/record/key-record.ts'
import type { IssuedKey } from '../keys/service/issue-keys.ts'
import type { Storage } from '../storage/storage.ts'
import type { Ward } from '../ward/ward.ts'
import { beginFirstKeys, type FirstKeysOptions, issueFirstKeys } from './first-keys.ts'

const lost = new Fault('store_unavailable', 'the connection was cut')

/** Nodes of one database, whose commits of first keys go as `commits` says. */
function openDatabase(...commits: readonly ('lost' | 'unseen')[]): FirstKeysOptions['ward'] {
  const ends = [...commits]
  const keys = new Map<string, KeyRecord>()
  const settings = new Map<string, string>()
  let made = 0
  const createAll: Ward['keys']['createAll'] = async (asked, beforeAdd) => {
    made += 1
    const issued = asked.map(
      ({ name }) => ({ record: { id: `${name} ${made}` }, text: `text of ${name} ${made}` }) as IssuedKey,
    )
    beforeAdd?.(issued)
    const end = ends.shift()
    if (end === 'lost') throw lost
    for (const { record } of issued) keys.set(record.id, record)
    if (end === 'unseen') throw lost
    return issued
  }
  return {
    keys: { createAll } as Ward['keys'],
    store: {
      readChanges: async () => ({ hasKeys: keys.size > 0 }),
      findKey: async (id: string) => keys.get(id),
      addSetting: async (name: string, value: string) => {
        if (!settings.has(name)) settings.set(name, value)
        return settings.get(name)
      },
    } as unknown as Ward['store'],
  }
}

function openNode(ward: FirstKeysOptions['ward']) {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-first-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'keys.json')
  const attempt = beginFirstKeys()
  const storage = { secrets: {}, nodes: {} as Storage['nodes'] }
  return {
    file,
    read: (): unknown => JSON.parse(readFileSync(file, 'utf8')),
    issue: () => issueFirstKeys({ ward, storage, to: { path: file } }, attempt),
  }
}

test('a node whose database goes out before its first keys are stored makes others, in the same file', async () => {
  const ward = openDatabase('lost')
  const node = openNode(ward)
  await expect(node.issue()).rejects.toBe(lost)
  expect(await node.issue()).toEqual({ file: node.file })
  expect(node.read()).toEqual({ admin: 'text of admin 2', demo: 'text of demo 2' })
  expect(await openNode(ward).issue()).toBeUndefined()
})

test('a node that does not hear that its first keys are stored hands over those that are', async () => {
  const ward = openDatabase('unseen')
  const node = openNode(ward)
  await expect(node.issue()).rejects.toBe(lost)
  expect(await node.issue()).toEqual({ file: node.file })
  expect(node.read()).toEqual({ admin: 'text of admin 1', demo: 'text of demo 1' })
})

test('what one node has claimed is not made by another, and a file that was there stays as it is', async () => {
  const ward = openDatabase('lost')
  const node = openNode(ward)
  await expect(node.issue()).rejects.toBe(lost)
  expect(await openNode(ward).issue()).toEqual({ missing: true })
  const before = node.read()
  await expect(
    issueFirstKeys({ ward: openDatabase(), storage: { secrets: {} }, to: { path: node.file } }),
  ).rejects.toMatchObject({ code: 'data_unwritable' })
  expect(node.read()).toEqual(before)
})

test('the texts are on the disk before their keys are stored: no power cut leaves keys without texts', async () => {
  const sync = vi.spyOn(fs, 'fsyncSync')
  onTestFinished(() => sync.mockRestore())
  const { keys, store } = openDatabase()
  const synced: number[] = []
  const createAll: Ward['keys']['createAll'] = (asked, beforeAdd) =>
    keys.createAll(asked, (issued) => {
      beforeAdd?.(issued)
      synced.push(sync.mock.calls.length)
    })
  await openNode({ keys: { ...keys, createAll }, store }).issue()
  expect(synced).toEqual([1])
})
