import { availableParallelism } from 'node:os'
import type { Command } from 'commander'
import { isContainer, isReadableByOthers } from '../config/readable-by-others.ts'
import { secretSettings } from '../config/secret-settings.ts'
import type { LedgerCheckpoint } from '../ledger/format/checkpoint.ts'
import { createAppLog } from '../server/create-app.ts'
import { logEvents } from '../server/http/log.ts'
import type { RunningServer } from '../server/server-options.ts'
import { startServer } from '../server/start-server.ts'
import { createTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import { nameStorage } from '../ward/open-storage.ts'
import { OutputClosed } from './cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig, placeOf } from './common-options.ts'
import { addExamples } from './keys/key-options.ts'
import { programHere } from './program-here.ts'
import { runServer } from './run-server.ts'
import { addSettingOptions, readSettingFlags } from './setting-options.ts'
import { type StartReport, startMessage } from './start-message.ts'
import { printLine } from './terminal/output.ts'
import { createWorkerMetrics } from './worker-metrics.ts'
import {
  isWorkerProcess,
  leaveFirstProcess,
  runWorkers,
  tellStart,
  type WorkerStart,
} from './worker-processes.ts'

export function defineServe(command: Command): void {
  command.option(
    '--first-keys <file>',
    'Where to write the keys of a first start, 0600 (default: the terminal, or first-keys.json in the data folder)',
  )
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

interface ServeOptions extends CommonOptions {
  readonly firstKeys?: string
}

async function serve(options: ServeOptions & Readonly<Record<string, unknown>>): Promise<void> {
  const loaded = loadCommandConfig(options, readSettingFlags(options))
  const asJson = options.json === true
  // Keys are shown to a person at a terminal; anything else that reads standard output may store
  // it.
  const isWatched = process.stdout.isTTY && !asJson
  const firstKeysFile = options.firstKeys
  let firstKeys: StartReport['firstKeys']
  // A person has no use for checkpoints; a program that stores standard output keeps them out of
  // reach of the folder's users.
  const checkpoints = createCheckpointPrinter()
  const { config } = loaded
  const telemetry = createTelemetry([logEvents(createAppLog(config))])
  const announceStart = async (report: WorkerStart): Promise<void> => {
    const program = programHere(import.meta.url, process.env['npm_lifecycle_event'])
    const place = nameStorage(placeOf(loaded))
    await announce(startMessage({ ...report, config, place, program }, asJson))
  }
  if (!isWorkerProcess()) warnOfPepper(telemetry)
  const count = config.workers === 'auto' ? availableParallelism() : config.workers
  if (count > 1 && !isWorkerProcess()) {
    process.exitCode = await runWorkers({ count, onStart: announceStart, telemetry })
    return
  }
  const workerMetrics = isWorkerProcess() ? createWorkerMetrics() : undefined
  const start = (): Promise<RunningServer> =>
    startServer({
      ...config,
      ...loaded.secrets,
      gateway: loaded.gateway,
      gatherMetrics: workerMetrics?.gather,
      firstKeys: firstKeysFile === undefined ? (isWatched ? 'report' : 'file') : { path: firstKeysFile },
      onFirstKeys: (report) => {
        firstKeys = report
      },
      onCheckpoint: process.stdout.isTTY ? undefined : checkpoints.print,
    })
  process.exitCode = await runServer({
    start,
    async onStart({ address, metrics, upstreams: viewUpstreams }) {
      // A program reads where the server listens, and waits for nothing else.
      const upstreams = asJson ? undefined : await viewUpstreams?.()
      const beginTelling = (): void => {
        checkpoints.begin()
        if (metrics !== undefined) workerMetrics?.begin(metrics)
      }
      if (isWorkerProcess()) void tellStart({ address, firstKeys, upstreams }).then(beginTelling)
      else await announceStart({ address, firstKeys, upstreams }).then(checkpoints.begin)
    },
    telemetry,
    graceMs: config.shutdownDelay + config.shutdownGrace,
  })
  leaveFirstProcess()
}

/** The data folder's own is read by its user alone, as is all of the folder. */
function warnOfPepper(telemetry: Telemetry): void {
  const variable = `${secretSettings.pepper.variable}_FILE`
  const path = process.env[variable]
  if (path !== undefined && !isContainer(process.env) && isReadableByOthers(path))
    telemetry.event('config.pepper_readable', { path })
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
