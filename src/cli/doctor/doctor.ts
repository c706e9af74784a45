import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { ConfigError, formatConfigFault } from '../../config/config-fault.ts'
import { defaultOptions } from '../../config/load-config.ts'
import type { DeploymentOptions } from '../../config/settings.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { exitCodes } from '../exit-code.ts'
import { addExamples } from '../keys/key-options.ts'
import { addSettingOptions, readSettingFlags } from '../setting-options.ts'
import { printable } from '../terminal/display-width.ts'
import { print, printJson } from '../terminal/output.ts'
import { paint } from '../terminal/terminal.ts'
import { checkClock, checkDatabase } from './check-database.ts'
import { checkDisk, checkFolder } from './check-folder.ts'
import { checkJobs } from './check-jobs.ts'
import { checkPort } from './check-port.ts'
import { type CheckResult, fail, ok } from './check-result.ts'

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

async function checkAll(options: DoctorOptions): Promise<readonly CheckResult[]> {
  const { results, config, pepper } = readConfig(options)
  // Where there is no folder, all that is missing in it is one fault.
  const database = existsSync(config.data)
    ? [...checkDatabase(config.data, pepper), checkJobs(config.data)]
    : []
  return [
    checkNode(process.versions.node),
    ...results,
    ...checkFolder(config.data),
    ...database,
    await checkPort(config),
    checkDisk(config.data),
    ...(database.some(({ check }) => check === 'clock') ? [] : [checkClock(null, Date.now())]),
  ]
}

interface ReadConfig {
  readonly results: readonly CheckResult[]
  readonly config: DeploymentOptions
  readonly pepper?: string | undefined
}

/** A wrong configuration is one more thing to tell; the rest is then looked for where it is by default. */
function readConfig(options: DoctorOptions): ReadConfig {
  try {
    const { config, pepper, configFile } = loadCommandConfig(options, readSettingFlags(options))
    return { results: [ok('configuration', configFile ?? 'no file')], config, pepper }
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

function checkNode(version: string): CheckResult {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isEnough = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1])
  return isEnough
    ? ok('node', version)
    : fail('node', version, `install Node ${leastNode.join('.')} or newer`)
}

const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const

function formatResult({ check, status, message, todo }: CheckResult): string {
  const line = `${paint(colours[status], status.padEnd(4))}  ${check.padEnd(13)}  ${printable(message)}\n`
  return todo === undefined ? line : `${line}${' '.repeat(21)}${printable(todo)}\n`
}
