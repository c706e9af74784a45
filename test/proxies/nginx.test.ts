import { expect, test } from 'vitest'
import { lookForProgram } from '../support/services.ts'
import { askProxy, describeProxy, keyHeader } from './promises.ts'
import type { Stage } from './stage.ts'
import { type RunningProxy, startProxy } from './start-proxy.ts'

const program = await lookForProgram('nginx')

function start(stage: Stage, change?: (text: string) => string): Promise<RunningProxy> {
  return startProxy(stage, {
    program: program ?? '',
    file: 'nginx.conf',
    args: (file, folder) => ['-c', file, '-p', folder, '-g', 'daemon off;'],
    signal: 'SIGTERM',
    ...(change && { change }),
  })
}

describeProxy({
  name: 'examples/proxies/nginx.conf',
  isMissing: program === undefined,
  start,
  whenGone: { status: 503, code: 'store_unavailable' },
  more(stage) {
    test('a client cannot ask Modelward through it', async () => {
      await using proxy = await start(stage())
      const right = await stage().createKey()
      for (const path of ['/_modelward', '//_modelward', '/_modelward?a']) {
        const { status, headers } = await askProxy(proxy, { path, headers: [keyHeader(right)] })
        // A page of its own: Modelward was not asked.
        expect([status, headers.get('content-type')], path).toEqual([404, ['text/html']])
      }
    })

    test('a head that Modelward does not read is refused with a problem, too', async () => {
      await using proxy = await start(stage())
      const right = keyHeader(await stage().createKey())
      for (const [header, status, code] of [
        [['X-Odd', 'a\u0001b'], 400, 'request_malformed'],
        [['X-Long', 'x'.repeat(7_000)], 431, 'headers_too_large'],
      ] as const) {
        const { body, ...answer } = await askProxy(proxy, { headers: [right, header, header, header] })
        expect([answer.status, JSON.parse(body)]).toEqual([status, expect.objectContaining({ status, code })])
      }
    })

    test('without its `error_page`, 401 and 403 are its own pages and all else is a 500', async () => {
      await using proxy = await start(stage(), (text) => text.replace(/^.*error_page .*\n/m, ''))
      const busy = await stage().createKey({ limits: ['1/h'] })
      const statusOf = async (headers: Parameters<typeof askProxy>[1]) => {
        const { status, headers: got } = await askProxy(proxy, headers)
        return [status, got.get('content-type')?.[0]]
      }
      const headers = [keyHeader(busy)]
      expect(await statusOf({})).toEqual([401, 'text/html'])
      expect(await statusOf({ headers: [['X-API-Key', 'wrong']] })).toEqual([403, 'text/html'])
      expect((await statusOf({ headers }))[0]).toBe(200)
      expect(await statusOf({ headers })).toEqual([500, 'text/html'])
      expect(proxy.logs()).toMatch(/\[error\] .* auth request unexpected status: 429/)
    })
  },
})
