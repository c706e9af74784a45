import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { collectEvents } from '../../test/support/collect-events.ts'
import { findFreePort } from '../../test/support/services.ts'
import { Fault } from '../core/fault.ts'
import { processScheduler } from '../core/scheduler.ts'
import { SetupError } from '../core/setup-error.ts'
import { type AwaitStoresOptions, awaitStores } from './await-stores.ts'

async function optionsOf(): Promise<
  AwaitStoresOptions & {
    readonly address: string
    readonly next: () => void
    readonly events: readonly unknown[]
  }
> {
  const port = await findFreePort()
  const { telemetry, events } = collectEvents()
  let run = (): void => {}
  return {
    host: '127.0.0.1',
    port,
    headersMax: 16_384,
    requestTimeout: 30_000,
    telemetry,
    events,
    scheduler: {
      ...processScheduler,
      after(_ms, then) {
        run = then
        return () => {}
      },
    },
    next: () => run(),
    address: `http://127.0.0.1:${port}`,
  }
}

test('stores that are there are opened, and nothing listens', async () => {
  const options = await optionsOf()
  expect(await awaitStores(async () => 'opened', options)).toBe('opened')
  expect(options.events).toEqual([])
})

test('while they are out, what is asked is 503 and says that the process is there; then the port is free', async () => {
  const options = await optionsOf()
  const tries: ((error: unknown) => void)[] = []
  const tried = () => new Promise<string>((_resolve, reject) => tries.push(reject))
  let open: () => Promise<string> = tried
  const opening = awaitStores(() => open(), options)
  tries[0]?.(new Fault('store_unavailable', 'db.example: refused'))
  await expect
    .poll(() =>
      fetch(`${options.address}/health`).then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(200)
  for (const path of ['/ready', '/predict', '/v1/keys']) {
    const answer = await fetch(options.address + path)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('1')
    const body = await answer.text()
    expect(JSON.parse(body)).toMatchObject({ code: 'store_unavailable', status: 503 })
    expect(body).not.toContain('db.example')
  }
  open = async () => 'opened'
  options.next()
  expect(await opening).toBe('opened')
  expect(options.events).toMatchObject([{ name: 'server.stores_awaited' }])
  await expect(fetch(`${options.address}/health`)).rejects.toThrow()
})

test('a port that another program has ends the start as ever, while the stores are out too', async () => {
  const options = await optionsOf()
  const other = createServer().listen({ host: options.host, port: options.port })
  onTestFinished(() => void other.close())
  await once(other, 'listening')
  const opening = awaitStores(() => Promise.reject(new Fault('store_unavailable', 'out')), options)
  await expect(opening).rejects.toMatchObject({ name: 'SetupError', code: 'address_in_use' })
})

test('what waiting cannot mend ends the start, also after it has waited', async () => {
  const options = await optionsOf()
  const wrong = new SetupError('database_unreachable', 'the password is wrong')
  await expect(awaitStores(() => Promise.reject(wrong), options)).rejects.toBe(wrong)
  let error: unknown = new Fault('store_unavailable', 'out')
  const opening = awaitStores(() => Promise.reject(error), options)
  await expect
    .poll(() =>
      fetch(`${options.address}/ready`).then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(503)
  error = wrong
  options.next()
  await expect(opening).rejects.toBe(wrong)
})
