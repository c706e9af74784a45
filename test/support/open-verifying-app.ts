import { generateKeyPairSync } from 'node:crypto'
import type { LightMyRequestResponse as Response } from 'fastify'
import type { LedgerRecord } from '../../src/ledger/format/record.ts'
import { createMemoryLedger } from './memory-ledger.ts'
import { type AskingApp, openAskingApp } from './open-asking-app.ts'
import type { TestAppOptions } from './test-app.ts'

/** The server's app with a backend that may ask about keys. */
export interface VerifyingApp extends AskingApp {
  /** Asks about a key as the backend. */
  readonly verify: (key: unknown, more?: object) => Promise<Response>
  readonly backend: { readonly id: string; readonly key: string }
  /** The records of requests so far, the oldest first. */
  readonly records: () => Promise<readonly LedgerRecord[]>
}

/** To be closed by `closeApps`. */
export async function openVerifyingApp({ ward, ...options }: TestAppOptions = {}): Promise<VerifyingApp> {
  const ledger = createMemoryLedger({ signingKey: generateKeyPairSync('ed25519').privateKey })
  const opened = await openAskingApp({ ...options, ward: { ledger, limitOperational: 'none', ...ward } })
  const { record, text } = await opened.ward.keys.create({
    name: 'backend',
    scopes: ['keys:verify'],
    limits: [],
  })
  return {
    ...opened,
    backend: { id: record.id, key: text },
    verify: (key, more = {}) => opened.ask('POST', '/v1/keys/verify', { key: text, body: { key, ...more } }),
    async records() {
      const page = await ledger.query({ limit: 1_000, order: 'oldest' })
      return page.records.filter(({ event }) => event.startsWith('request.'))
    },
  }
}
