import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import { formatRequest, RawConnection, type RawRequest } from '../parity/raw-http.ts'
import { type AskingApp, openAskingApp } from './open-asking-app.ts'
import type { TestAppOptions } from './test-app.ts'

/** The server's app on a port, and what of its answers left without it. */
export interface ListeningApp extends AskingApp {
  readonly port: number
  /** Of requests, in the order written. */
  readonly records: LedgerEntry[]
  /** Resolves once so many requests have been recorded. */
  readonly recorded: (count: number) => Promise<void>
  /** How many answers the app has sent; the others left without it. */
  readonly sentByApp: () => number
}

/** To be closed by `closeApps`. */
export async function listen({ ward, ...options }: TestAppOptions = {}): Promise<ListeningApp> {
  const records: LedgerEntry[] = []
  const written = new EventEmitter()
  const sink = (entry: LedgerEntry): void => {
    if (entry.event.startsWith('request.')) records.push(entry)
    written.emit('record')
  }
  const opened = await openAskingApp({ ...options, ward: { sinks: [sink], ...ward } })
  let sent = 0
  opened.app.addHook('onSend', async () => {
    sent += 1
  })
  await opened.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = opened.app.server.address() as AddressInfo
  const recorded = async (count: number): Promise<void> => {
    while (records.length < count) await once(written, 'record')
  }
  return { ...opened, port, records, recorded, sentByApp: () => sent }
}

export const json = ['Content-Type', 'application/json'] as const
/** Nothing reads it where no proxy is trusted; its request goes to the app. */
export const toApp = ['Forwarded', 'for=192.0.2.1'] as const

/**
 * Of every answer; and Fastify closes the connection over a body that it has read whole and could
 * not parse, for no reason that a client has.
 */
const unequal = new Set(['date', 'connection', 'keep-alive'])

/** An answer and its record, without what differs from one request to the next. */
export async function askRaw({ port, records }: ListeningApp, request: RawRequest): Promise<object> {
  const before = records.length
  const connection = new RawConnection(port)
  await connection.write(formatRequest(request))
  const { status, headers, body } = await connection.answer()
  connection.close()
  const id = headers.get('x-request-id')?.[0] ?? ''
  expect(id).toMatch(/^[0-9a-f-]{36}$/)
  const lines = [...headers].filter(([name]) => !unequal.has(name)).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const record = records.slice(before).map((entry) => ({ ...entry, at: 0, latencyUs: 0 }))
  return JSON.parse(JSON.stringify({ status, lines, body, record }).replaceAll(id, 'ID'))
}
