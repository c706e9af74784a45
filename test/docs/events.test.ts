import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { formatEventsPage } from '../../scripts/events-page.ts'
import { commandIndex } from '../../src/cli/command-index.ts'
import type { EventRow } from '../../src/telemetry/event-row.ts'
import { events } from '../../src/telemetry/events.ts'
import { outages } from '../../src/telemetry/outages.ts'
import { sources } from '../architecture/imports.ts'

test('docs/reference/events.md is the table of events', () => {
  expect(readFileSync('docs/reference/events.md', 'utf8')).toBe(formatEventsPage())
})

test('every command that a remedy names is one', () => {
  const named = Object.values<EventRow>(events).flatMap(({ remedy }) =>
    [...remedy.matchAll(/`modelward ([a-z]+(?: [a-z]+)*)/g)].map(([, words]) => words),
  )
  expect(named.length).toBeGreaterThan(5)
  const commands: readonly (string | undefined)[] = commandIndex.map(({ path }) => path)
  expect(named.filter((words) => !commands.includes(words))).toEqual([])
})

test('the sources report every event of the table', () => {
  const code = sources
    .filter((file) => !/^src.telemetry.(?:(?:\w+-)?events|event-fields)\.ts$/.test(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  expect(Object.keys(events).filter((name) => !code.includes(`'${name}'`))).toEqual([])
  // An outage's end is told by what told its beginning.
  const isPaired = ([start, end]: [string, string]): boolean =>
    code.includes(`createOutageReport('${start}'`) ||
    (code.includes(`event('${start}'`) && code.includes(`event('${end}'`))
  expect(Object.entries(outages).filter((pair) => !isPaired(pair))).toEqual([])
})
