import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { faults } from '../../src/core/fault.ts'

const page = readFileSync('docs/guides/fleet.md', 'utf8')
const table = page.split('## When something is out')[1]?.split('\n## ')[0] ?? ''

/** Cells of a row, without spaces around them. */
const cellsOf = (line: string): readonly string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
const rows = table
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1)
  .map(cellsOf)

const faultsFile = 'test/e2e/fleet-faults.test.ts'
const databaseFile = 'test/e2e/fleet-database-faults.test.ts'
const limiterFile = 'test/e2e/fleet-limiter-faults.test.ts'
const startsFile = 'test/e2e/fleet-starts.test.ts'
const tlsFile = 'test/e2e/fleet-tls.test.ts'

/**
 * Where each thing that may be out is played: a file, and what stands there as a test's title or
 * as the name of its row.
 */
const played: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'PostgreSQL down': [
    [faultsFile, 'killed: 503, and by itself it ends'],
    ['test/e2e/fleet-failover.test.ts', 'killed, and the standby promoted: no record of an answer is lost'],
  ],
  'PostgreSQL frozen': [[faultsFile, 'frozen: 503 within the deadline, and by itself it ends']],
  'PostgreSQL read-only': [[databaseFile, 'read-only']],
  'PostgreSQL out of connections': [[databaseFile, 'out of connections']],
  'PostgreSQL full': [[databaseFile, 'with a full disk']],
  'a connection cut without a word': [
    [databaseFile, 'cut off without a word'],
    [databaseFile, 'a key is admitted no longer than the lease, then 503 store_unavailable'],
  ],
  'Redis down': [[faultsFile, 'killed: limits are 503, keys without limits go on']],
  'Redis frozen': [[faultsFile, 'frozen: limits are 503 in time, then at once']],
  'Redis out of memory': [[limiterFile, 'out of memory']],
  'Redis a replica': [[limiterFile, 'a replica']],
  'Redis with a new password': [[limiterFile, 'with a new password']],
  'Redis empty': [[limiterFile, 'killed and started empty']],
  'Redis failed over': [['test/e2e/fleet-failover.test.ts', 'sentinels tell, also after its primary']],
  'Redis flushed': [[limiterFile, 'flushed']],
  'Redis evicted from': [[limiterFile, 'evicted from']],
  'Redis its clock set': [['test/contract/redis-clock.test.ts', 'no window lets in more']],
  'a node': [[faultsFile, 'a node that is killed is gone, its jobs are run by another']],
  'a node cut off from everything': [
    ['test/e2e/fleet-cut-off.test.ts', 'cut off from both stores answers 503, its job is done by another'],
  ],
  'PostgreSQL or Redis at a start': [[faultsFile, 'a node that starts before its stores answers 503']],
  'password wrong at a start': [
    [startsFile, 'a wrong password of PostgreSQL'],
    [startsFile, 'a wrong password of PgBouncer'],
    [startsFile, 'a wrong password of Redis'],
  ],
  'TLS wrong at a start': [
    [tlsFile, 'nothing is trusted'],
    [tlsFile, 'PostgreSQL does not speak it'],
    [tlsFile, 'Redis speaks nothing else'],
  ],
  'database wrong at a start': [
    [startsFile, 'a database that does not exist'],
    [startsFile, 'a database that Redis does not have'],
  ],
  'version wrong at a start': [[databaseFile, 'a start is refused with data_newer until it can be read']],
  'two nodes that make the schema at once': [[startsFile, 'make the schema at once one works']],
}

/** `PostgreSQL down, frozen`: each by itself, with the service that it is of. */
function thingsOf(cell: string): readonly string[] {
  const [, service = '', states = ''] = /^(PostgreSQL|Redis) (?!or )(.*)$/.exec(cell) ?? []
  if (service !== '') return states.split(/, | or /).map((state) => `${service} ${state}`)
  const [, wrong = '', where = ''] = /^(.*) (wrong at a start)$/.exec(cell) ?? []
  return wrong === '' ? [cell] : wrong.split(/, | or /).map((state) => `${state} ${where}`)
}

describe('the table «When something is out» of docs/guides/fleet.md', () => {
  test('names what tests play, and all of it', () => {
    expect(rows.length).toBeGreaterThan(5)
    expect(rows.flatMap(([what = '']) => thingsOf(what)).sort()).toEqual(Object.keys(played).sort())
  })

  test.each(Object.entries(played))('%s: its tests are there', (_what, tests) => {
    for (const [file, title] of tests) expect(readFileSync(file, 'utf8')).toContain(title)
  })

  test('each status and code is one of the faults', () => {
    const named = [...table.matchAll(/(\d{3}) `([a-z_]+)`/g)].map(([, status, code]) => `${status} ${code}`)
    expect(new Set(named).size).toBe(3)
    const known = Object.entries(faults).map(([code, { status }]) => `${status} ${code}`)
    for (const each of named) expect(known).toContain(each)
  })
})
