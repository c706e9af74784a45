import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { LedgerReader } from '../../ledger/ledger.ts'
import type { LedgerInspection, StorageInspection } from '../storage.ts'
import { openDataFolder } from './data-folder.ts'
import { findingsOf } from './findings/folder-findings.ts'
import { readLedgerHeads } from './ledger/heads.ts'
import { openSqliteLedgerReader } from './ledger/reader.ts'
import { openKeys } from './open-keys.ts'
import { openSigningKey, readPublicKeys } from './signing-key.ts'
import { verifyLedgerFile } from './verify-ledger-file.ts'

/** Reads a data folder; each call opens what it needs. */
export function inspectFolder(data: string): StorageInspection {
  const path = resolve(data)
  const keysFile = join(path, 'modelward.db')
  const file = join(path, 'ledger.db')
  const open = () => openDataFolder(path, { create: false })
  return {
    nodes: async () => [],
    findings: async ({ pepper }) => findingsOf(data, pepper),
    openKeys: async ({ pepper }) =>
      existsSync(keysFile) ? (await openKeys(open(), { pepper })).keys : undefined,
    ledger: {
      ...inspectLedgerFile(file, keysFile),
      exists: async () => existsSync(open().ledgerFile),
      openReader: async () => readWhenThere(open().ledgerFile),
      readHeads: async () => (existsSync(file) ? readLedgerHeads(file) : []),
      signingKey: async (telemetry) => openSigningKey(open(), telemetry),
      publicKeys: async () => readPublicKeys(path),
    },
  }
}

/**
 * Reads a ledger's file, or a copy of one, which may lie where nothing can be written.
 *
 * @param keysFile the keys whose changes it records
 */
export function inspectLedgerFile(
  file: string,
  keysFile?: string,
): Pick<LedgerInspection, 'name' | 'verify'> {
  return { name: file, verify: (trust) => verifyLedgerFile(file, trust, keysFile) }
}

/** How long another process may take to create a ledger, in milliseconds. */
const creationMsMax = 5_000

function readWhenThere(file: string): LedgerReader {
  const wasThere = existsSync(file)
  let reader: LedgerReader | undefined
  let deadline = Number.POSITIVE_INFINITY
  const open = async (): Promise<LedgerReader | undefined> => {
    if (reader !== undefined || !existsSync(file)) return reader
    deadline = Math.min(deadline, performance.now() + creationMsMax)
    try {
      reader = await openSqliteLedgerReader({ file })
    } catch (error) {
      // A ledger that was just created may not have its tables yet.
      if (wasThere || performance.now() >= deadline) throw error
    }
    return reader
  }
  return {
    query: async (query) => (await open())?.query(query) ?? { records: [], next: undefined },
    usage: async (query) => (await open())?.usage(query) ?? [],
    close: async () => reader?.close(),
  }
}
