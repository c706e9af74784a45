import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { SetupError } from '../../core/setup-error.ts'
import type { LedgerBlock } from '../../ledger/format/block.ts'
import type { LedgerCheckpoint } from '../../ledger/format/checkpoint.ts'
import { type LedgerVerification, verifyLedger } from '../../ledger/verify/verify-ledger.ts'
import { openLedgerBlocks } from '../../storage/sqlite/ledger/stored-blocks.ts'
import { setupErrorOf } from '../../storage/sqlite/sqlite-error.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions, collect, loadCommandConfig } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { reportError } from '../report-error.ts'
import { print, printJson } from '../terminal/output.ts'
import { readCheckpoints, readPublicKey, readSigningKey } from './ledger-trusted-keys.ts'
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
      'What `ledger checkpoint` printed and was kept elsewhere: finds an end that was cut off (may be given again)',
      collect,
    )
    .option(
      '--public-key <key>',
      'Whose checkpoints to trust: 32 bytes in base64url (may be given again)',
      collect,
    )
    .addHelpText(
      'after',
      '\nNeeds no server, and changes nothing. Exit code 0: in order. 1: broken, and where first. 2: it cannot be read.\n' +
        'Trusts the signing key of the data folder, the keys of --public-key and those of the checkpoints given.',
    )
    .action(async (file: string | undefined, options: LedgerVerifyCommandOptions) => {
      try {
        const verification = verify(file, options)
        if (options.json === true)
          await printJson(viewLedgerVerification(verification.file, verification.result))
        else await print(formatLedgerVerification(verification.file, verification.result))
        process.exitCode =
          verification.result.firstBroken === undefined ? verifyExitCodes.intact : verifyExitCodes.broken
      } catch (error) {
        reportError(error, options.json === true)
        process.exitCode = verifyExitCodes.unreadable
      }
    })
  addCommonOptions(command)
  addExamples(
    command,
    'ledger verify --data /var/lib/modelward',
    'ledger verify copy/ledger.db --checkpoint kept.jsonl --json',
  )
}

interface FileVerification {
  readonly file: string
  readonly result: LedgerVerification
}

function verify(given: string | undefined, options: LedgerVerifyCommandOptions): FileVerification {
  if (given !== undefined && options.data !== undefined)
    throw usageError('file', 'expected a file or --data, and not both')
  const folder = given === undefined ? resolve(loadCommandConfig(options).config.data) : undefined
  const file = folder === undefined ? resolve(given ?? '') : join(folder, 'ledger.db')
  const checkpoints = (options.checkpoint ?? []).flatMap(readCheckpoints)
  const folderKey = folder === undefined ? undefined : readSigningKey(folder)
  const trusted = new Set([
    ...(options.publicKey ?? []).map(readPublicKey),
    ...checkpoints.map(({ key }) => key),
    ...(folderKey === undefined ? [] : [folderKey]),
  ])
  const result = verifyFile(file, checkpoints, trusted.size === 0 ? undefined : [...trusted])
  const noKey = `There is no signing key in ${folder}: whose checkpoints are to be trusted, it cannot say.`
  const notes = folder !== undefined && folderKey === undefined ? [noKey, ...result.notes] : result.notes
  return { file, result: { ...result, notes } }
}

function verifyFile(
  file: string,
  checkpoints: readonly LedgerCheckpoint[],
  trustedKeys: readonly string[] | undefined,
): LedgerVerification {
  if (!existsSync(file)) throw new SetupError('data_missing', `${file}: there is no such file`)
  const ledger = openLedgerBlocks(file)
  try {
    return verifyUntilSettled({
      readBases: () => JSON.stringify(ledger.bases()),
      verify: () =>
        verifyLedger(withProgress(ledger.blocks()), {
          bases: ledger.bases(),
          checkpoints,
          trustedKeys,
          streams: ledger.streams().map(({ id }) => id),
          index: ledger.checkIndex(),
        }),
    })
  } catch (error) {
    throw setupErrorOf(error, file)
  } finally {
    ledger.close()
  }
}

const progressMs = 500

/** Says on a terminal how far it is. */
function* withProgress(blocks: Iterable<LedgerBlock>): Generator<LedgerBlock, void, undefined> {
  if (!process.stderr.isTTY) return yield* blocks
  let records = 0
  let next = performance.now() + progressMs
  try {
    for (const block of blocks) {
      yield block
      records += block.count
      if (performance.now() < next) continue
      process.stderr.write(`\r${records.toLocaleString('en')} records`)
      next = performance.now() + progressMs
    }
  } finally {
    process.stderr.write('\r\u001b[K')
  }
}

export interface SettledVerification {
  /** Verifies all of it, from the bases that are there when it begins. */
  readonly verify: () => LedgerVerification
  /** A text that changes with every drop. */
  readonly readBases: () => string
}

/**
 * Verifies a ledger that retention may shorten meanwhile: blocks that it dropped under the reader are missing, and the base that stands for
 * them is new. So a finding counts where nothing was dropped, or where it is found a second time: from the new bases, what was dropped is
 * not missing any more.
 */
export function verifyUntilSettled({ verify, readBases }: SettledVerification): LedgerVerification {
  for (let before: string | undefined; ; ) {
    const bases = readBases()
    const result = verify()
    if (result.firstBroken === undefined || readBases() === bases) return result
    const found = JSON.stringify(result.firstBroken)
    if (found === before) return result
    before = found
  }
}
