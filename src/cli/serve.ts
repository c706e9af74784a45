import type { Command } from 'commander'
import type { LedgerCheckpoint } from '../ledger/format/checkpoint.ts'
import type { RunningServer } from '../server/server-options.ts'
import { startServer } from '../server/start-server.ts'
import { OutputClosed } from './cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from './common-options.ts'
import { exitCodes } from './exit-code.ts'
import { addExamples } from './keys/key-options.ts'
import { addSettingOptions, readSettingFlags } from './setting-options.ts'
import { type StartReport, startMessage } from './start-message.ts'
import { printLine, tell } from './terminal/output.ts'

export function defineServe(command: Command): void {
  command.action(serve)
  addCommonOptions(command)
  addSettingOptions(command)
  addExamples(
    command,
    'serve',
    'serve --port 9000 --scheme header,bearer',
    'serve --host 0.0.0.0 --data /var/lib/modelward',
  )
}

async function serve(options: CommonOptions & Readonly<Record<string, unknown>>): Promise<void> {
  const loaded = loadCommandConfig(options, readSettingFlags(options))
  const asJson = options.json === true
  // Keys are shown to a person at a terminal; anything else that reads standard output may store
  // it.
  const isWatched = process.stdout.isTTY && !asJson
  let firstKeys: StartReport['firstKeys']
  // A person has no use for checkpoints; a program that stores standard output keeps them out of
  // reach of the folder's users.
  const checkpoints = createCheckpointPrinter()
  const server = await startServer({
    ...loaded.config,
    pepper: loaded.pepper,
    firstKeys: isWatched ? 'report' : 'file',
    onFirstKeys: (report) => {
      firstKeys = report
    },
    onCheckpoint: process.stdout.isTTY ? undefined : checkpoints.print,
  })
  const closed = closeOnSignal(server)
  // npm tells its scripts by which of them they run.
  const program = process.env['npm_lifecycle_event'] === 'start' ? 'npm run -s modelward --' : 'npx modelward'
  const report = { config: loaded.config, address: server.address, firstKeys, program }
  await announce(startMessage(report, asJson))
  checkpoints.begin()
  process.exitCode = await closed
}

/**
 * Prints each checkpoint as a line, but none before `begin`: the first line says where the server
 * listens.
 */
function createCheckpointPrinter(): {
  readonly print: (checkpoint: LedgerCheckpoint) => void
  readonly begin: () => void
} {
  let early: LedgerCheckpoint[] | undefined = []
  const print = (checkpoint: LedgerCheckpoint): void => {
    if (early === undefined) void announce(JSON.stringify(checkpoint))
    else early.push(checkpoint)
  }
  return {
    print,
    begin() {
      const waiting = early ?? []
      early = undefined
      for (const checkpoint of waiting) print(checkpoint)
    },
  }
}

/** A server runs on if its standard output is closed. */
async function announce(message: string): Promise<void> {
  try {
    await printLine(message)
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error
  }
}

const signals = { SIGINT: 2, SIGTERM: 15 } as const

/**
 * Closes the server at the first signal, once the requests under way are answered; the second ends
 * the process at once.
 */
function closeOnSignal(server: RunningServer): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let isClosing = false
  for (const [signal, number] of Object.entries(signals)) {
    process.on(signal, () => {
      if (isClosing) process.exit(128 + number)
      isClosing = true
      if (process.stderr.isTTY) tell('Closing; once more ends it at once.')
      server.close().then(() => {
        // A thread that waits for the disk cannot be ended, and Node waits for its threads: only
        // the signal itself still ends this process.
        if (server.isStalled()) endBySignal(signal as NodeJS.Signals)
        resolve(exitCodes.ok)
      }, reject)
    })
  }
  return promise
}

function endBySignal(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
