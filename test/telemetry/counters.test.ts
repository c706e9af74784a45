import { afterEach, describe, expect, test } from 'vitest'
import { closeApps, later } from '../support/open-asking-app.ts'
import { openMeasuredApp, sumBy } from '../support/open-measured-app.ts'

afterEach(closeApps)

const ends = new Set(['request.admitted', 'request.refused', 'request.failed', 'request.finished'])

describe('counters', () => {
  test('equal the counts of the ledger after 10,000 mixed requests and their jobs', {
    timeout: 180_000,
  }, async () => {
    const { ask, app, keys, createKey, ledger, ward, series } = await openMeasuredApp({
      ward: { limitBadKeys: '100000/min', limitDefault: ['6000/min'] },
    })
    const measured = await createKey({ limits: ['100000 characters/min'] })
    const limited = await createKey({ limits: ['3/min', '500 characters/min'] })
    const { text: revoked, record } = await ward.keys.create({ name: 'revoked' })
    await ward.keys.revoke(record.id)
    const body = { text: 'I love this' }
    const ways = [
      () => ask('POST', '/predict', { body }),
      () => ask('POST', '/predict', { body }),
      () => ask('POST', '/predict', { body: { text: '' } }),
      () => ask('POST', '/predict', { key: keys.wrong, body }),
      () => ask('POST', '/predict', { key: revoked, body }),
      () => ask('POST', '/predict', { key: limited, body }),
      () => ask('POST', '/predict', { key: keys.admin, body }),
      () => ask('POST', '/predict/batch', { body: { texts: ['a', 'b'] } }),
      () => ask('GET', '/v1/keys/self'),
      () => ask('GET', '/v1/keys'),
      () => ask('GET', '/v1/keys', { key: keys.admin }),
      () => ask('HEAD', '/models'),
      () => ask('GET', `/nowhere/${Math.random()}`),
      () => ask('DELETE', '/predict'),
      () => ask('GET', '/models/%zz'),
      () => app.inject({ method: 'POST', url: '/predict', payload: body }),
      () => ask('POST', '/predict', { body, headers: later }),
      () => ask('POST', '/predict', { key: measured, body, headers: later }),
      () => ask('POST', '/predict/batch', { key: measured, body: { texts: ['a', 'b', ''] }, headers: later }),
    ]
    for (let asked = 0; asked < 10_000; asked += 100)
      await Promise.all(Array.from({ length: 100 }, (_, more) => ways[(asked + more) % ways.length]?.()))
    const jobsOf = (...events: readonly string[]): number =>
      ledger.entries.filter(({ event }) => events.includes(event)).length
    // Their ends are recorded when no request waits for them any more.
    await expect.poll(() => jobsOf('job.finished', 'job.failed')).toBe(jobsOf('job.accepted'))
    expect(jobsOf('job.finished')).toBeGreaterThan(500)
    const metrics = await series()
    // Writes the counts of refusals that have no record of their own.
    await ward.close()
    const records = ledger.entries
    const answered = metrics.filter(({ name }) => name === 'modelward_requests_total')
    const recorded = records.filter(({ event }) => ends.has(event))
    const isAnswer = ({ code }: { readonly code: string | null }): boolean =>
      code === null || code === 'input_invalid' || code === 'method_not_allowed' || code === 'not_found'
    expect(
      sumBy(
        answered.filter(({ labels }) => isAnswer({ code: labels['code'] || null })),
        ({ labels: { route, method, status, code } }) => `${method} ${route} ${status} ${code}`,
        ({ value }) => value,
      ),
    ).toEqual(
      sumBy(
        recorded.filter(isAnswer),
        ({ route, method, status, code }) => `${method} ${route ?? ''} ${status} ${code ?? ''}`,
        () => 1,
      ),
    )
    const summarized = records.filter(({ event }) => event === 'requests.summarized')
    expect(summarized.length).toBeGreaterThan(2)
    expect(
      sumBy(
        answered,
        ({ labels: { code } }) => code ?? '',
        ({ value }) => value,
      ),
    ).toEqual(
      sumBy(
        [...recorded, ...summarized],
        ({ code }) => code ?? '',
        ({ measures }) => measures['refused'] ?? 1,
      ),
    )
    const ofJobs = records.filter(({ event }) => event.startsWith('job.'))
    expect(
      sumBy(
        ofJobs,
        () => 'characters',
        ({ measures }) => measures['characters'] ?? 0,
      ),
    ).not.toEqual({})
    const used = metrics.filter(({ name }) => name === 'modelward_measures_total')
    expect(
      sumBy(
        used,
        ({ labels: { measure } }) => measure ?? '',
        ({ value }) => value,
      ),
    ).toEqual(
      sumBy(
        [...recorded, ...ofJobs].flatMap(({ measures }) => Object.entries(measures)),
        ([measure]) => measure,
        ([, amount]) => amount,
      ),
    )
    const timed = metrics.filter(({ name }) => name === 'modelward_request_duration_seconds_count')
    expect(
      sumBy(
        timed,
        () => 'all',
        ({ value }) => value,
      ),
    ).toEqual({ all: 10_000 })
    expect(metrics.find(({ name }) => name === 'modelward_requests_in_flight')?.value).toBe(0)
    expect(metrics.find(({ name }) => name === 'modelward_guard_duration_seconds_count')?.value).toBe(10_000)
  })
})
