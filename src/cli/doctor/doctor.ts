import type { Command } from 'commander'
import { ConfigError, formatConfigFault } from '../../config/config-fault.ts'
import { defaultOptions } from '../../config/load-config.ts'
import { redact } from '../../config/redact.ts'
import type { DeploymentSecrets } from '../../config/secret-settings.ts'
import type { DeploymentOptions } from '../../config/settings.ts'
import type { StorageFinding } from '../../storage/storage.ts'
import { inspectStorage } from '../../ward/open-storage.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { exitCodes } from '../exit-code.ts'
import { addExamples } from '../keys/key-options.ts'
import { addSettingOptions, readSettingFlags } from '../setting-options.ts'
import { printable } from '../terminal/display-width.ts'
import { print, printJson } from '../terminal/output.ts'
import { paint } from '../terminal/terminal.ts'
import { checkPort, fail, ok } from './check-port.ts'

type DoctorOptions = CommonOptions & Readonly<Record<string, unknown>>

export function defineDoctor(command: Command): void {
  command
    .addHelpText(
      'after',
      '\nChanges nothing. Exit code 1 means that a check failed; what to do is beside it.',
    )
    .action(async (options: DoctorOptions) => {
      const results = await checkAll(options)
      const hasFailed = results.some(({ status }) => status === 'fail')
      if (options.json === true) await printJson({ ok: !hasFailed, checks: results })
      else await print(results.map(formatResult).join(''))
      if (hasFailed) process.exitCode = exitCodes.refused
    })
  addCommonOptions(command)
  addSettingOptions(command)
  addExamples(command, 'doctor', 'doctor --data /var/lib/modelward --json')
}

async function checkAll(options: DoctorOptions): Promise<readonly StorageFinding[]> {
  const { results, config, secrets } = readConfig(options)
  const storage = await inspectStorage({ ...config, ...secrets })
  const findings = await storage.findings({ pepper: secrets?.pepper })
  return [
    checkNode(process.versions.node),
    ...results,
    ...findings.map(redactFinding),
    checkProxy(config),
    await checkPort(config),
  ]
}

/** Paths are the user's text, and may be a key in the wrong place. */
function redactFinding({ message, todo, ...finding }: StorageFinding): StorageFinding {
  return { ...finding, message: redact(message), todo: todo === undefined ? undefined : redact(todo) }
}

interface ReadConfig {
  readonly results: readonly StorageFinding[]
  readonly config: DeploymentOptions
  readonly secrets?: DeploymentSecrets
}

/** A wrong configuration is one more finding; the other checks then use the defaults. */
function readConfig(options: DoctorOptions): ReadConfig {
  try {
    const { config, secrets, configFile } = loadCommandConfig(options, readSettingFlags(options))
    return { results: [ok('configuration', configFile ?? 'no file')], config, secrets }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const results = error.faults.map((fault) =>
      fail('configuration', formatConfigFault(fault), 'set it right, or leave it out'),
    )
    const { MODELWARD_DATA } = process.env
    const data = options.data?.at(-1) ?? MODELWARD_DATA
    const config = defaultOptions()
    return { results, config: data === undefined || data === '' ? config : { ...config, data } }
  }
}

/** Least Node that the program runs on: as `engines` in package.json. */
const leastNode = [22, 19] as const

function checkNode(version: string): StorageFinding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isEnough = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1])
  return isEnough
    ? ok('node', version)
    : fail('node', version, `install Node ${leastNode.join('.')} or newer`)
}

/** Whether a block of trusted proxies is so large that clients stand in it too. */
function checkProxy({ trustProxy }: DeploymentOptions): StorageFinding {
  const list = trustProxy.join(', ')
  if (trustProxy.length === 0) return ok('trust-proxy', 'none: a client’s address is the connection’s')
  const widest = trustProxy.find((block) => /\/[0-7]$/.test(block))
  if (widest === undefined) return ok('trust-proxy', list)
  return {
    check: 'trust-proxy',
    status: 'warn',
    message: `${widest} trusts everybody: each client chooses the address that allow lists check`,
    todo: 'name your own proxies alone with --trust-proxy',
  }
}

const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const

function formatResult({ check, status, message, todo }: StorageFinding): string {
  const line = `${paint(colours[status], status.padEnd(4))}  ${check.padEnd(13)}  ${printable(message)}\n`
  return todo === undefined ? line : `${line}${' '.repeat(21)}${printable(todo)}\n`
}
