import type { Command } from 'commander'
import type { LedgerCheckpoint } from '../ledger/format/checkpoint.ts'
import { createAppLog } from '../server/create-app.ts'
import { logEvents } from '../server/http/log.ts'
import type { RunningServer } from '../server/server-options.ts'
import { startServer } from '../server/start-server.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { OutputClosed } from './cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from './common-options.ts'
import { addExamples } from './keys/key-options.ts'
import { runServer } from './run-server.ts'
import { addSettingOptions, readSettingFlags } from './setting-options.ts'
import { type StartReport, startMessage } from './start-message.ts'
import { printLine } from './terminal/output.ts'

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
  const { config } = loaded
  const start = (): Promise<RunningServer> =>
    startServer({
      ...config,
      pepper: loaded.pepper,
      firstKeys: isWatched ? 'report' : 'file',
      onFirstKeys: (report) => {
        firstKeys = report
      },
      onCheckpoint: process.stdout.isTTY ? undefined : checkpoints.print,
    })
  process.exitCode = await runServer({
    start,
    async onStart({ address }) {
      // npm tells its scripts by which of them they run.
      const isScript = process.env['npm_lifecycle_event'] === 'start'
      const program = isScript ? 'npm run -s modelward --' : 'npx modelward'
      await announce(startMessage({ config, address, firstKeys, program }, asJson))
      checkpoints.begin()
    },
    telemetry: createTelemetry([logEvents(createAppLog(config))]),
    graceMs: config.shutdownDelay + config.shutdownGrace,
  })
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
