import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { formatEventsPage } from '../../scripts/events-page.ts'
import { events } from '../../src/telemetry/events.ts'
import { sources } from '../architecture/imports.ts'

test('docs/reference/events.md is the table of events', () => {
  expect(readFileSync('docs/reference/events.md', 'utf8')).toBe(formatEventsPage())
})

test('every event of the table is emitted, and no other name can be', () => {
  const code = sources.map((file) => readFileSync(file, 'utf8')).join('\n')
  const emitted = [...code.matchAll(/\.event\(\s*'([a-z._]+)'/g)].map(([, name = '']) => name)
  expect([...new Set(emitted)].toSorted()).toEqual(Object.keys(events).toSorted())
})
