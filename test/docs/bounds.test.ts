import { globSync, readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settings } from '../../src/config/settings.ts'

const page = readFileSync('docs/reference/bounds.md', 'utf8')

interface Bound {
  readonly row: string
  /** The name of a constant, or the file's own where the row names no constant. */
  readonly name: string
  readonly file: string
}

const bounds: readonly Bound[] = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| what'))
  .flatMap((row) => {
    const where = row.split(' | ')[3] ?? ''
    return [...where.matchAll(/\[`?([^\]`]+)`?\]\(([^)]+)\)/g)].map(([, name = '', link = '']) => {
      return { row, name, file: relative('.', resolve('docs/reference', link)) }
    })
  })

/** Bounds of what no client chooses: our own work, time, an administrator, a program. */
const ofNoClient = new Set([
  'core/check-options.ts shownLengthMax',
  'core/scheduler.ts timerMsMax',
  'core/time.ts durationMsMax',
  'core/time.ts timeMsMax',
  'gateway/answer/estimate-usage.ts ratioLeast',
  'gateway/restart/find-left-calls.ts pageMax',
  'guard/exchange/reserve.ts reservedMeasuresMax',
  'jobs/job-changes.ts lookAgainMax',
  'jobs/job-queue.ts countedStatesMax',
  'jobs/record-missed-ends.ts pageMax',
  'jobs/share-places.ts servedAtOnceMax',
  'jobs/submit-job.ts namedMax',
  'jobs/worker/expire-jobs.ts lookedAtMax',
  'jobs/worker/report-unserved.ts jobsMax',
  'jobs/worker/report-unserved.ts modelsMax',
  'keys/service/issue-keys.ts changeTriesMax',
  'keys/store/key-store.ts keyUsesMax',
  'keys/owners/owner-service.ts changeTriesMax',
  'keys/owners/revoke-owner.ts atOnceMax',
  'limits/fail-mode.ts nodesMax',
  'limits/in-process/dirty-meters.ts driftMsMax',
  'limits/in-process/in-process-limiter.ts sweptMax',
  'limits/limit.ts amountMax',
  'limits/limit.ts windowMsMax',
  'limits/sliding-window.ts exactMax',
  'models/model.ts defaultBatchMax',
  'models/sentiment/features.ts pieceLengthMax',
  'models/threads/serve-threaded.ts defaultThreadsMax',
  'models/threads/usual-times.ts forgetMsMax',
  'server/control-socket.ts pathBytesMax',
  'server/health-routes.ts measureMsMax',
  'server/http/http-server.ts timeoutCheckMsMax',
  'webhooks/resolve.ts triedMax',
])

/** Where what a client sends is met. */
const rooms = ['core', 'gateway', 'guard', 'jobs', 'keys', 'limits', 'models', 'server', 'webhooks']

function flagOf(setting: string): string {
  return `--${setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

function constantsOf(file: string): readonly string[] {
  const source = readFileSync(file, 'utf8')
  return [...source.matchAll(/^(?:export )?const (\w+(?:Max|Least))\b/gm)].map(([, name = '']) => name)
}

describe('docs/reference/bounds.md', () => {
  test.each(bounds)('$name is there, with what happens beyond it', ({ row, name, file }) => {
    expect(row.split(' | ')).toHaveLength(4)
    if (name.startsWith('--')) expect(Object.keys(settings).map(flagOf)).toContain(name)
    else if (name.endsWith('.ts')) expect(file.endsWith(`/${name}`)).toBe(true)
    else expect(readFileSync(file, 'utf8')).toMatch(new RegExp(`\\b${name}\\b`))
  })

  test('names every setting that is a bound', () => {
    const named = Object.keys(settings).filter((each) => /(?:Max|Bytes)$/.test(each) && each !== 'ledgerMax')
    expect(named.map(flagOf).filter((flag) => !page.includes(`\`${flag}\``))).toEqual([])
  })

  test('names every bound in the sources, but for those of what no client chooses', () => {
    const files = rooms
      .flatMap((room) => globSync(`src/${room}/**/*.ts`))
      .filter((file) => !file.endsWith('.test.ts'))
    const all = files.flatMap((file) => constantsOf(file).map((name) => `${relative('src', file)} ${name}`))
    const named = new Set(bounds.map(({ name, file }) => `${relative('src', file)} ${name}`))
    expect(all.filter((each) => !named.has(each) && !ofNoClient.has(each))).toEqual([])
    expect([...ofNoClient].filter((each) => !all.includes(each))).toEqual([])
  })
})
