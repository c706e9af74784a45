import { execFileSync } from 'node:child_process'
import { chmodSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { InProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import type { LimitUse } from '../../src/limits/limiter.ts'
import { readValue } from '../../src/storage/sqlite/database.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import { openSqliteUsageStore } from '../../src/storage/sqlite/limits/usage-store.ts'
import { useOf } from './limiter.contract.ts'
import { type MachineTime, startPersistentLimiter } from './persistent-limiter.ts'
import { fillDisk, mountSmallDisk } from './small-disk.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const hour = 3_600_000
const day = 24 * hour
const limiterFault = { name: 'Fault', code: 'limiter_unavailable' }

function beginTime(): MachineTime & { readonly pass: (ms: number) => void } {
  const time = {
    steady: 0,
    wall: Date.UTC(2026, 0, 15, 12),
    pass(ms: number) {
      time.steady += ms
      time.wall += ms
    },
  }
  return time
}

async function left(limiter: InProcessLimiter, use: LimitUse): Promise<number | undefined> {
  return (await limiter.peek([use])).states[0]?.remaining
}

/** Takes until it is refused; gives how often it was admitted. */
async function takeAll(limiter: InProcessLimiter, use: LimitUse): Promise<number> {
  for (let taken = 0; ; taken += 1)
    if ((await limiter.take([use])).refusal !== undefined || taken > 10_000) return taken
}

async function takeTimes(limiter: InProcessLimiter, use: LimitUse, times: number): Promise<void> {
  for (let taken = 0; taken < times; taken += 1) expect((await limiter.take([use])).refusal).toBeUndefined()
}

test.each([
  'used = 0',
  "cells = x'00000000', begins_at = NULL, since = NULL, used = NULL",
  'since = since + 1',
  'checksum = NULL',
])(
  'a count that the disk or another program changed is an outage, and no other count: %s',
  async (changed) => {
    const time = beginTime()
    const use = useOf('key:a', '640/calendar month')
    const { limiter, folder, stop } = startPersistentLimiter(createTemporaryFolder(), time)
    await limiter.take([use])
    await stop()
    const database = openDatabase({ file: join(folder, 'limits.db'), busyTimeoutMs: 0, cacheKiB: 64 })
    database.exec(`UPDATE uses SET ${changed}`)
    database.close()
    const next = startPersistentLimiter(folder, time)
    await expect(next.limiter.take([use])).rejects.toMatchObject(limiterFault)
    await next.stop()
  },
)

describe('a restart', () => {
  test('in the middle of the hour does not give the hour back, and each use leaves when it would have', async () => {
    const time = beginTime()
    const use = useOf('key:a', '3/h')
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    await takeTimes(first.limiter, use, 2)
    time.pass(hour / 2)
    await first.limiter.take([use])
    await first.stop()
    time.pass(60_000)
    const second = startPersistentLimiter(first.folder, time)
    const { refusal } = await second.limiter.take([use])
    expect(refusal?.retryInMs).toBe(hour / 2 - 60_000)
    time.pass(hour / 2 - 60_000)
    expect(await takeAll(second.limiter, use)).toBe(2)
  })

  test.each(['1000/h', '1000/calendar day', '1000/calendar month', '50/day', '100000 tokens/24h'])(
    'in order loses nothing and gives nothing: %s',
    async (text) => {
      const time = beginTime()
      const use = useOf('owner:o', text)
      const first = startPersistentLimiter(createTemporaryFolder(), time)
      await takeTimes(first.limiter, { ...use, cost: 1 }, 17)
      await first.limiter.flush()
      await takeTimes(first.limiter, { ...use, cost: 1 }, 13)
      await first.stop()
      const second = startPersistentLimiter(first.folder, time)
      expect(await left(second.limiter, use)).toBe(use.limit.amount - 30)
    },
  )

  test('of a machine that was off overnight begins a new day, and the month goes on', async () => {
    const time = beginTime()
    const [daily, monthly] = [useOf('key:a', '5/calendar day'), useOf('key:a', '9/calendar month')]
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    for (let taken = 0; taken < 4; taken += 1) await first.limiter.take([daily, monthly])
    await first.stop()
    time.steady = 0
    time.wall += day
    const second = startPersistentLimiter(first.folder, time)
    expect([await left(second.limiter, daily), await left(second.limiter, monthly)]).toEqual([5, 5])
  })

  test('forgets what is short, and what a route without a name asked for: the next process calls it something else', async () => {
    const time = beginTime()
    const uses = [useOf('key:a', '2/min'), useOf('route:~1:key:a', '2/h'), useOf('route:chat:key:a', '2/h')]
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    await first.limiter.take(uses)
    await first.stop()
    const second = startPersistentLimiter(first.folder, time)
    const { states } = await second.limiter.peek(uses)
    expect(states.map(({ remaining }) => remaining)).toEqual([2, 2, 1])
  })

  test('keeps what a limit in shadow has counted', async () => {
    const time = beginTime()
    const use = useOf('key:a', 'shadow 1/h')
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    await first.limiter.take([use])
    const second = startPersistentLimiter(first.crash(), time)
    expect((await second.limiter.take([use])).shadows).toHaveLength(1)
  })
})

describe('a crash', () => {
  test('at once after an answer loses nothing, however few there were', async () => {
    for (const text of ['5/h', '1000/h', '1000/calendar day']) {
      const time = beginTime()
      const use = useOf('key:a', text)
      const first = startPersistentLimiter(createTemporaryFolder(), time)
      await first.limiter.take([use])
      const second = startPersistentLimiter(first.crash(), time)
      expect(await left(second.limiter, use)).toBe(use.limit.amount - 1)
    }
  })

  test('under load costs no more than was used lately, and at most 1/64', async () => {
    for (const [taken, lost] of [
      [2, 1],
      [100, 16],
      [900, 16],
    ] as const) {
      const time = beginTime()
      const use = useOf('key:a', '1000/h')
      const first = startPersistentLimiter(createTemporaryFolder(), time)
      await takeTimes(first.limiter, use, taken)
      const second = startPersistentLimiter(first.crash(), time)
      const now = (await left(second.limiter, use)) ?? Number.NaN
      expect(now).toBeLessThanOrEqual(1_000 - taken)
      expect(now).toBeGreaterThanOrEqual(1_000 - taken - lost)
    }
  })

  test('two seconds after the last use costs nothing', async () => {
    const time = beginTime()
    const use = useOf('key:a', '1000/h')
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    await takeTimes(first.limiter, use, 500)
    await first.limiter.flush()
    await first.limiter.flush()
    const second = startPersistentLimiter(first.crash(), time)
    expect(await left(second.limiter, use)).toBe(500)
  })

  test('again and again costs no more than 1/64 each time, and is not counted twice', async () => {
    const time = beginTime()
    const use = useOf('key:a', '6400/calendar day')
    let folder = createTemporaryFolder()
    for (let crashes = 0; crashes < 5; crashes += 1) {
      const kept = startPersistentLimiter(folder, time)
      await takeTimes(kept.limiter, use, 300)
      folder = kept.crash()
    }
    const before = await left(startPersistentLimiter(folder, time).limiter, use)
    expect(before).toBeGreaterThanOrEqual(6_400 - 5 * 300 - 5 * 100)
    expect(before).toBeLessThanOrEqual(6_400 - 5 * 300)
  })

  test('after hours in which nothing could be written forgets nothing that was used in them', async () => {
    const time = beginTime()
    const use = useOf('key:a', '640/2h')
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    await takeTimes(first.limiter, use, 4)
    time.pass(1.9 * hour)
    await takeTimes(first.limiter, use, 3)
    time.pass(0.2 * hour)
    const second = startPersistentLimiter(first.crash(), time)
    expect(await left(second.limiter, use)).toBeLessThanOrEqual(637)
  })

  test('in a new day does not forget what was used of it, though more was still spare of the day before', async () => {
    const time = beginTime()
    time.wall = Date.UTC(2026, 0, 15, 23, 59, 59)
    const use = useOf('key:a', '640/calendar day')
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    await takeTimes(first.limiter, use, 20)
    time.pass(1_000)
    await takeTimes(first.limiter, use, 2)
    const second = startPersistentLimiter(first.crash(), time)
    expect(await left(second.limiter, use)).toBeLessThanOrEqual(638)
  })

  test('after a call turned out to use more than was reserved, or less: more is never forgotten, less costs at most 1/64', async () => {
    const time = beginTime()
    const use = useOf('key:a', '64000 tokens/h', 5_000)
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    const [one, other] = [await first.limiter.take([use]), await first.limiter.take([use])]
    await first.limiter.settle([use], one.at, [9_000])
    await first.limiter.settle([use], other.at, [100])
    const second = startPersistentLimiter(first.crash(), time)
    const now = (await left(second.limiter, use)) ?? Number.NaN
    expect(now).toBeLessThanOrEqual(64_000 - 9_100)
    expect(now).toBeGreaterThanOrEqual(64_000 - 9_100 - 1_000)
  })

  test('settles what a job reserved before, by what was stored of it: once, and no use of others is given back', async () => {
    const time = beginTime()
    const uses = ['64000 tokens/h', '64000 tokens/calendar day', '64000 tokens/10min'].map((text) =>
      useOf('key:a', text, 5_000),
    )
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    const stored = JSON.stringify({ uses, at: (await first.limiter.take(uses)).at })
    await first.limiter.take(uses)
    const second = startPersistentLimiter(first.crash(), time)
    // Of the short one nothing is left of the process before: this is others' use in the same slot.
    time.pass(10)
    await second.limiter.take(uses)
    const taken = JSON.parse(stored) as { readonly uses: readonly LimitUse[]; readonly at: number }
    await second.limiter.settle(
      taken.uses,
      taken.at,
      uses.map(() => 100),
    )
    const [hourly, daily, short] = await Promise.all(uses.map((use) => left(second.limiter, use)))
    for (const now of [hourly, daily]) {
      expect(now).toBeLessThanOrEqual(64_000 - 10_100)
      expect(now).toBeGreaterThanOrEqual(64_000 - 10_100 - 1_000)
    }
    expect(short).toBe(64_000 - 5_000)
  })

  test('does not forget what a call that began before midnight turned out to use after it', async () => {
    const time = beginTime()
    time.wall = Date.UTC(2026, 0, 15, 23, 59, 59)
    const use = useOf('key:a', '64000 tokens/calendar day', 100)
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    // Something is spare now, of the day that ends.
    await takeTimes(first.limiter, use, 4)
    const { at } = await first.limiter.take([use])
    time.pass(1_000)
    await first.limiter.settle([use], at, [200])
    const second = startPersistentLimiter(first.crash(), time)
    expect(await left(second.limiter, use)).toBeLessThanOrEqual(63_900)
  })

  test('keeps what a key used of all its limits in one request', async () => {
    const time = beginTime()
    const uses = [useOf('key:a', '10/h'), useOf('owner:o', '20/calendar day'), useOf('everyone', '30/24h')]
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    await first.limiter.take(uses)
    const second = startPersistentLimiter(first.crash(), time)
    expect((await second.limiter.peek(uses)).states.map(({ remaining }) => remaining)).toEqual([9, 19, 29])
  })
})

describe('a wall clock that is set', () => {
  const setBack = [60_000, hour, day, 3_650 * day]
  test.each(setBack)(
    'back by %i ms between two processes gives nothing back, and locks no key out for longer',
    async (ms) => {
      const time = beginTime()
      const uses = [useOf('key:a', '2/h'), useOf('key:b', '100/h'), useOf('key:a', '2/calendar day')]
      const first = startPersistentLimiter(createTemporaryFolder(), time)
      for (const use of uses) await takeAll(first.limiter, use)
      await first.stop()
      time.wall -= ms
      time.steady += 1_000
      const second = startPersistentLimiter(first.folder, time)
      for (const use of uses) expect(await takeAll(second.limiter, use)).toBe(0)
      time.pass(hour - 1)
      expect(await takeAll(second.limiter, useOf('key:a', '2/h'))).toBe(0)
      time.pass(hour / 64 + 1)
      expect(await takeAll(second.limiter, useOf('key:a', '2/h'))).toBe(2)
      expect(await takeAll(second.limiter, useOf('key:b', '100/h'))).toBe(100)
      // A day that the clock goes through twice stays one day.
      time.pass(2 * day - hour * (1 + 1 / 64))
      expect(await takeAll(second.limiter, useOf('key:a', '2/calendar day'))).toBe(2)
    },
  )

  test('right, after it was years ahead, lets a day end a day later, in the same process too', async () => {
    const time = beginTime()
    time.wall += 3_650 * day
    const use = useOf('key:a', '1/calendar day')
    const { limiter } = startPersistentLimiter(createTemporaryFolder(), time)
    await limiter.take([use])
    time.wall -= 3_650 * day
    const { refusal } = await limiter.take([use])
    expect(refusal?.retryInMs).toBe(day)
    time.pass(day - 1)
    expect(await takeAll(limiter, use)).toBe(0)
    time.pass(1)
    expect(await takeAll(limiter, use)).toBe(1)
  })

  test('forward while a process runs does not shorten the hour after the next start', async () => {
    const time = beginTime()
    const use = useOf('key:a', '1/h')
    const first = startPersistentLimiter(createTemporaryFolder(), time)
    await first.limiter.take([use])
    // Until nothing is left to be written for the use's sake.
    for (let pass = 0; pass < 3; pass += 1) await first.limiter.flush()
    time.wall += 5 * hour
    await first.limiter.flush()
    const second = startPersistentLimiter(first.crash(), time)
    expect((await second.limiter.take([use])).refusal?.retryInMs).toBe(hour)
  })
})

describe('a memory that cannot be written', () => {
  test('a full disk: no request is admitted uncounted, short limits go on, and it heals by itself', async (context) => {
    const folder = createTemporaryFolder()
    if (!mountSmallDisk(folder)) return context.skip('mounting a small disk takes root')
    const time = beginTime()
    const { limiter, events, crash } = startPersistentLimiter(folder, time)
    const others = Array.from({ length: 500 }, (_, number) => useOf(`key:${number}`, '10/h'))
    const [use, short] = [useOf('key:a', '10/h'), useOf('key:a', '10/min')]
    await limiter.take([use, short])
    fillDisk(join(folder, 'filler'))
    let admitted = 0
    for (const other of others) {
      const taking = Promise.resolve(limiter.take([other])).then(
        () => {
          admitted += 1
        },
        (fault) => expect(fault).toMatchObject(limiterFault),
      )
      await taking
    }
    expect(admitted).toBeLessThan(500)
    await expect(limiter.take([short, use])).rejects.toMatchObject(limiterFault)
    expect(await left(limiter, short), 'a request that was not admitted consumed nothing').toBe(9)
    expect(await left(limiter, use)).toBe(9)
    expect((await limiter.take([short])).refusal).toBeUndefined()
    expect((await limiter.take([useOf('key:z', 'shadow 10/h')])).refusal).toBeUndefined()
    await limiter.flush()
    await limiter.flush()
    expect(events).toMatchObject([{ name: 'limiter.not_persisted', cause: limiterFault }])
    rmSync(join(folder, 'filler'))
    expect((await limiter.take([use])).refusal).toBeUndefined()
    await limiter.flush()
    expect(events[1]).toMatchObject({ name: 'limiter.persisted_again' })
    const second = startPersistentLimiter(crash(), time)
    expect(await left(second.limiter, use)).toBe(8)
  })

  for (const suffix of ['', '-wal'])
    test(`limits.db${suffix} moved away is a fault, not silence; moved back, all works again`, async () => {
      const { limiter, folder } = startPersistentLimiter(createTemporaryFolder(), beginTime())
      const use = useOf('key:a', '10/h')
      await limiter.take([use])
      const file = join(folder, `limits.db${suffix}`)
      renameSync(file, `${file}.aside`)
      await expect(limiter.take([use])).rejects.toMatchObject(limiterFault)
      await expect(limiter.take([use])).rejects.toThrow(/was deleted while in use/)
      renameSync(`${file}.aside`, file)
      expect((await limiter.take([use])).states).toMatchObject([{ remaining: 8 }])
    })

  test('what was under way comes free, though what it used cannot be written', async () => {
    const { limiter, folder } = startPersistentLimiter(createTemporaryFolder(), beginTime())
    const [tokens, atOnce] = [useOf('key:a', '1000 tokens/h', 10), useOf('key:a', '1 concurrent')]
    const { at } = await limiter.take([tokens, atOnce])
    rmSync(join(folder, 'limits.db'))
    await limiter.settle([tokens, atOnce], at, [500, 0])
    expect((await limiter.take([atOnce])).refusal).toBeUndefined()
    await expect(limiter.take([{ ...tokens, cost: 1 }])).rejects.toMatchObject(limiterFault)
    expect(await left(limiter, tokens)).toBe(500)
  })

  test('a closed limiter admits no request', async () => {
    const { limiter, stop } = startPersistentLimiter(createTemporaryFolder(), beginTime())
    await stop()
    await expect(limiter.take([useOf('key:a', '10/h')])).rejects.toMatchObject(limiterFault)
  })
})

describe('opening a memory', () => {
  const codeOf = (folder: string): unknown => {
    try {
      openSqliteUsageStore({ file: join(folder, 'limits.db') })
      return 'opened'
    } catch (error) {
      return (error as { code?: unknown }).code
    }
  }
  const createStopped = async (): Promise<{ folder: string; file: string }> => {
    const { limiter, folder, stop } = startPersistentLimiter(createTemporaryFolder(), beginTime())
    for (let key = 0; key < 200; key += 1) await limiter.take([useOf(`key:${key}`, '10/h')])
    await stop()
    return { folder, file: join(folder, 'limits.db') }
  }

  test('is for one process at a time', async () => {
    const { folder, stop } = startPersistentLimiter(createTemporaryFolder(), beginTime())
    expect(codeOf(folder)).toBe('data_locked')
    await stop()
    expect(codeOf(folder)).toBe('opened')
  })

  test('is for its owner alone', async () => {
    const { folder, file } = await createStopped()
    chmodSync(file, 0o644)
    startPersistentLimiter(folder, beginTime())
    for (const suffix of ['', '-wal']) expect(statSync(`${file}${suffix}`).mode & 0o777).toBe(0o600)
  })

  test('damaged, it never begins anew by itself: it says how to', async () => {
    const overwritten = await createStopped()
    execFileSync('dd', [
      'if=/dev/zero',
      `of=${overwritten.file}`,
      'bs=16',
      'count=1',
      'conv=notrunc',
      'status=none',
    ])
    expect(codeOf(overwritten.folder)).toBe('data_corrupt')
    const cut = await createStopped()
    truncateSync(cut.file, 4_096 * 3)
    expect(codeOf(cut.folder)).toBe('data_corrupt')
    expect(() => openSqliteUsageStore({ file: cut.file })).toThrow(/or remove it, .* begins anew/)
    const foreign = createTemporaryFolder()
    writeFileSync(join(foreign, 'limits.db'), 'name,age\n'.repeat(1_000))
    expect(codeOf(foreign)).toBe('data_corrupt')
  })

  test("another program's database, and one of a newer version, stay as they are", async () => {
    const { folder, file } = await createStopped()
    const edit = (sql: string) => {
      const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 64 })
      database.exec(sql)
      database.close()
    }
    edit('PRAGMA user_version = 99')
    expect(codeOf(folder)).toBe('data_newer')
    edit('PRAGMA user_version = 1; PRAGMA application_id = 7')
    expect(codeOf(folder)).toBe('data_corrupt')
  })

  test('of the version before, whose counters were named by the limit’s text, forgets nothing', async () => {
    const time = beginTime()
    const { limiter, folder, stop } = startPersistentLimiter(createTemporaryFolder(), time)
    const uses = [
      useOf('key:a', '3/calendar month'),
      useOf('key:b', 'shadow 100 tokens/h', 40),
      useOf('key:c', '5/day'),
    ]
    await limiter.take(uses)
    await stop()
    const database = openDatabase({ file: join(folder, 'limits.db'), busyTimeoutMs: 0, cacheKiB: 64 })
    database.exec(`DROP INDEX uses_again; ALTER TABLE uses DROP COLUMN checksum;
      ALTER TABLE marks DROP COLUMN checksum`)
    for (const { counter, name, limit } of uses) {
      const [before, text] = [name, limit.text].map((said) => said.replace(/\/day$/, '/d'))
      database.exec(`UPDATE uses SET name = '${before}', limit_text = '${text}' WHERE name = '${counter}'`)
    }
    // Left by a former amount: what was used last goes on.
    database.exec(`INSERT INTO uses SELECT 'key:a 9/calendar month', '9/calendar month', at - 1, 0, NULL, begins_at, since, 9
      FROM uses WHERE name LIKE 'key:a %'; PRAGMA user_version = 1`)
    database.close()
    const next = startPersistentLimiter(folder, time)
    const { states } = await next.limiter.peek(uses)
    expect(states.map(({ remaining }) => remaining)).toEqual([2, 60, 4])
    expect(await takeAll(next.limiter, useOf('key:a', '5/calendar month'))).toBe(4)
  })

  test('of the version before, a shadow and a subject that was named as it was called keep what both used', async () => {
    const time = beginTime()
    const { limiter, folder, stop } = startPersistentLimiter(createTemporaryFolder(), time)
    const [shadow, named] = [useOf('key:b', 'shadow 100 tokens/h'), useOf('key:b shadow', '100 tokens/h')]
    await limiter.take([named])
    await stop()
    const database = openDatabase({ file: join(folder, 'limits.db'), busyTimeoutMs: 0, cacheKiB: 64 })
    database.exec('PRAGMA user_version = 3')
    database.close()
    const next = startPersistentLimiter(folder, time)
    const { states } = await next.limiter.peek([shadow, named])
    expect(states.map(({ remaining }) => remaining)).toEqual([99, 99])
  })

  test('after a reset and a crash nothing is used, whatever was reserved', async () => {
    const time = beginTime()
    const { limiter, crash } = startPersistentLimiter(createTemporaryFolder(), time)
    const uses = [useOf('key:a', '3/h'), useOf('key:a', '640/calendar month'), useOf('key:b', '640/h')]
    for (let taken = 0; taken < 3; taken += 1) await limiter.take(uses)
    await limiter.flush()
    await limiter.take(uses.slice(1))
    await limiter.reset(uses)
    const next = startPersistentLimiter(crash(), time)
    const { states } = await next.limiter.peek(uses)
    expect(states.map(({ remaining }) => remaining)).toEqual([3, 640, 640])
  })

  test('what is over is let go, a few at a time, and what is not stays', async () => {
    const time = beginTime()
    const { limiter, folder, stop } = startPersistentLimiter(createTemporaryFolder(), time)
    for (let key = 0; key < 250; key += 1)
      await limiter.take([useOf(`key:${key}`, '10/h'), useOf(`key:${key}`, '10/calendar day')])
    time.pass(hour)
    const monthly = useOf('key:a', '10/calendar month')
    await limiter.take([monthly])
    for (let pass = 0; pass < 12; pass += 1) await limiter.flush()
    time.pass(day)
    limiter.sweep()
    for (let pass = 0; pass < 12; pass += 1) await limiter.flush()
    expect(limiter.size()).toBe(1)
    await stop()
    const database = openDatabase({ file: join(folder, 'limits.db'), busyTimeoutMs: 0, cacheKiB: 64 })
    expect(readValue(database, 'SELECT group_concat(name) FROM uses')).toBe(monthly.counter)
    database.close()
  })
})
