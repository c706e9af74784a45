import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { LedgerCheckpoint } from '../../ledger/format/checkpoint.ts'
import type { LedgerVerification } from '../../ledger/verify/verify-ledger.ts'
import type { LedgerInspection } from '../../storage/storage.ts'
import { inspectLedgerCopy, inspectStorage } from '../../ward/open-storage.ts'
import { usageError } from '../cli-error.ts'
import {
  addCommonOptions,
  type CommonOptions,
  collect,
  loadCommandConfig,
  placeOf,
} from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { reportError } from '../report-error.ts'
import { print, printJson } from '../terminal/output.ts'
import { readCheckpoints, readPublicKey } from './ledger-trusted-keys.ts'
import { formatLedgerVerification, viewLedgerVerification } from './print-ledger-verification.ts'

interface LedgerVerifyCommandOptions extends CommonOptions {
  readonly checkpoint?: readonly string[]
  readonly publicKey?: readonly string[]
}

/** What this command ends with. */
const verifyExitCodes = { intact: 0, broken: 1, unreadable: 2 } as const

export function defineLedgerVerify(command: Command): void {
  command
    .argument('[file]', 'The ledger’s file, or a copy of it; without, that of the data folder')
    .option(
      '--checkpoint <file>',
      'Output of `ledger checkpoint`, stored elsewhere: detects a ledger whose end was cut off (may be repeated)',
      collect,
    )
    .option(
      '--public-key <key>',
      'Whose checkpoints to trust: 32 bytes in base64url (may be repeated)',
      collect,
    )
    .addHelpText(
      'after',
      '\nNeeds no server, and changes nothing. Compares the sums of usage beside the file with its records, too.\n' +
        'Exit code 0: in order. 1: broken, and where first. 2: it cannot be read.\n' +
        'Trusts the signing key of the deployment and the earlier ones beside it, the keys of --public-key and those of\n--checkpoint.',
    )
    .action(async (file: string | undefined, options: LedgerVerifyCommandOptions) => {
      try {
        const { name, result } = await verify(file, options)
        if (options.json === true) await printJson(viewLedgerVerification(name, result))
        else await print(formatLedgerVerification(name, result))
        process.exitCode = result.firstBroken === undefined ? verifyExitCodes.intact : verifyExitCodes.broken
      } catch (error) {
        reportError(error, options.json === true)
        process.exitCode = verifyExitCodes.unreadable
      }
    })
  addCommonOptions(command)
  addExamples(
    command,
    'ledger verify --data /var/lib/modelward',
    'ledger verify copy/ledger.db --checkpoint checkpoints.jsonl --json',
  )
}

interface NamedVerification {
  /** What messages call the ledger. */
  readonly name: string
  readonly result: LedgerVerification
}

async function verify(
  copy: string | undefined,
  options: LedgerVerifyCommandOptions,
): Promise<NamedVerification> {
  if (copy !== undefined && (options.data !== undefined || options.databaseUrl !== undefined))
    throw usageError('file', 'expected a file, --data or --database-url, and not two of them')
  const checkpoints = (options.checkpoint ?? []).flatMap(readCheckpoints)
  const keys = [...(options.publicKey ?? []).map(readPublicKey), ...checkpoints.map(({ key }) => key)]
  if (copy !== undefined) {
    const ledger = await inspectLedgerCopy(resolve(copy))
    return { name: ledger.name, result: await verifyTrusting(ledger, keys, checkpoints) }
  }
  const { ledger } = await inspectStorage(placeOf(loadCommandConfig(options)))
  const ownKeys = await ledger.publicKeys()
  const result = await verifyTrusting(ledger, [...keys, ...ownKeys], checkpoints)
  const noKey = `There is no signing key beside ${ledger.name}: whose checkpoints are to be trusted, it cannot say.`
  const notes = ownKeys.length === 0 ? [noKey, ...result.notes] : result.notes
  return { name: ledger.name, result: { ...result, notes } }
}

/** Says on a terminal how far it is. */
async function verifyTrusting(
  ledger: Pick<LedgerInspection, 'verify'>,
  keys: readonly string[],
  checkpoints: readonly LedgerCheckpoint[],
): Promise<LedgerVerification> {
  const { stderr } = process
  try {
    return await ledger.verify({
      trustedKeys: keys.length === 0 ? undefined : [...new Set(keys)],
      checkpoints,
      onProgress: stderr.isTTY
        ? (records: number) => stderr.write(`\r${records.toLocaleString('en')} records`)
        : undefined,
    })
  } finally {
    if (stderr.isTTY) stderr.write('\r\u001b[K')
  }
}
