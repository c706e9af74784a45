import type { Command } from 'commander'
import type { LoadedConfig } from '../config/load-config.ts'
import type { LedgerCheckpoint } from '../ledger/format/checkpoint.ts'
import type { RunningServer, ServerOptions } from '../server/server-options.ts'
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
  // Keys are shown to a person who looks on; whatever else reads standard output keeps it, as logs are kept.
  const isWatched = process.stdout.isTTY && !asJson
  let firstKeys: StartReport['firstKeys']
  // A person has no use for them; whatever keeps standard output has them where nobody with the folder can change them.
  const checkpoints = createCheckpointPrinter()
  const server = await startServer({
    ...serverOptions(loaded),
    firstKeys: isWatched ? 'report' : 'file',
    onFirstKeys: (report) => {
      firstKeys = report
    },
    ...(!process.stdout.isTTY && { onCheckpoint: checkpoints.print }),
  })
  const closed = closeOnSignal(server)
  await announce(startMessage({ config: loaded.config, address: server.address, firstKeys }, asJson))
  checkpoints.begin()
  process.exitCode = await closed
}

function serverOptions({ config, pepper }: LoadedConfig): ServerOptions {
  return {
    data: config.data,
    host: config.host,
    port: config.port,
    environment: config.environment,
    keyPrefix: config.keyPrefix,
    schemes: config.scheme,
    keyHeader: config.keyHeader,
    realm: config.realm,
    invalidKeyStatus: config.invalidKeyStatus,
    trustProxy: config.trustProxy,
    bodyBytesMax: config.bodyMax,
    batchBodyBytesMax: config.batchBodyMax,
    headerBytesMax: config.headersMax,
    textLengthMax: config.textMax,
    cachedKeysMax: config.cachedKeysMax,
    limitDefault: config.limitDefault,
    limitEveryone: config.limitEveryone,
    limitBadKeys: config.limitBadKeys,
    models: config.model,
    modelDeadlineMs: config.modelDeadline,
    modelThreads: config.modelThreads,
    queueMax: config.queueMax,
    queueOwnerMax: config.queueOwnerMax,
    jobWorkers: config.jobWorkers,
    jobAttempts: config.jobAttempts,
    jobKeepMs: config.jobKeep,
    jobLeaseMs: config.jobLease,
    webhooksAllow: config.webhooksAllow,
    webhooksAllowHttp: config.webhooksAllowHttp,
    requestTimeoutMs: config.requestTimeout,
    shutdownGraceMs: config.shutdownGrace,
    ledgerMode: config.ledgerMode,
    ledgerAddresses: config.ledgerAddresses,
    ledgerKeep: config.ledgerKeep,
    ledgerMax: config.ledgerMax,
    docs: config.docs,
    corsOrigins: config.corsOrigins,
    logLevel: config.logLevel,
    logRequests: config.logRequests,
    ...(pepper === undefined ? {} : { pepper }),
  }
}

/** Prints each checkpoint as a line, those of before it begins first: the line that says where the server listens is the first of all. */
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
      const kept = early ?? []
      early = undefined
      for (const checkpoint of kept) print(checkpoint)
    },
  }
}

/** A server goes on when nobody reads what it says at its start. */
async function announce(message: string): Promise<void> {
  try {
    await printLine(message)
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error
  }
}

const signals = { SIGINT: 2, SIGTERM: 15 } as const

/** Closes the server at the first signal, once the requests under way are answered; the second ends the process at once. */
function closeOnSignal(server: RunningServer): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let isClosing = false
  for (const [signal, number] of Object.entries(signals)) {
    process.on(signal, () => {
      if (isClosing) process.exit(128 + number)
      isClosing = true
      if (process.stderr.isTTY) tell('Closing; once more ends it at once.')
      server.close().then(() => resolve(exitCodes.ok), reject)
    })
  }
  return promise
}
