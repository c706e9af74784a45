import { resolve } from 'node:path'
import type { CredentialSource, GatewaySettings } from '../gateway/gateway-settings.ts'
import { ConfigError, type ConfigFault, showValue } from './config-fault.ts'
import { type Environment, readEnvironment } from './environment-layer.ts'
import { readConfigFile } from './file-layer.ts'
import { readFlags, type SettingFlags } from './flag-layer.ts'
import { findGatewayFaults, readGateway } from './gateway/read-gateway.ts'
import { checkLayer, type Layer, type SettingValue } from './layer.ts'
import { type ReadSecrets, readSecrets, type SecretFlags } from './read-secrets.ts'
import type { DeploymentSecrets } from './secret-settings.ts'
import type { SettingInput } from './setting.ts'
import { configFileVariable } from './setting-names.ts'
import { type DeploymentOptions, type SettingName, settingNames, settings } from './settings.ts'

/** The file in the working folder that is read when no other is named. */
export const defaultConfigFile = 'modelward.json'

export interface ConfigSources {
  readonly flags: SettingFlags
  /** The texts given for the flags of secrets. */
  readonly secretFlags?: SecretFlags
  /** The paths given with `--config`; more than one is a fault. */
  readonly configFlag?: readonly string[] | undefined
  readonly environment: Environment
  /** Absolute. */
  readonly workingFolder: string
}

/** The configuration, and where each part of it came from. */
export interface LoadedConfig {
  readonly config: DeploymentOptions
  /** The guard in front of model servers; undefined where no upstream is set. */
  readonly gateway: GatewaySettings | undefined
  readonly secrets: DeploymentSecrets
  /** Where each secret that was given came from. */
  readonly secretOrigins: ReadSecrets['origins']
  /** Where each setting came from: a flag, an environment name, `file: key` or `default`. */
  readonly origins: Readonly<Record<SettingName, string>>
  /** Each setting as a configuration file would hold it. */
  readonly inputs: Readonly<Record<SettingName, SettingInput>>
  /** The configuration file that was read, absolute. */
  readonly configFile: string | undefined
}

/**
 * Reads the configuration: flags before environment before file before defaults.
 *
 * @throws ConfigError (`config_invalid`) with every fault of every source at once, also of
 * overruled values
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const file = readNamedFile(sources)
  // The strongest last.
  const layers = [
    defaultLayer,
    file.layer ?? nothing,
    readEnvironment(sources.environment),
    readFlags(sources.flags),
  ]
  const { secrets, ...read } = readSecrets(sources.environment, sources.secretFlags)
  const values = new Map(layers.flatMap((layer) => layer.values).map((value) => [value.name, value]))
  const faults = [...layers.flatMap((layer) => layer.faults), ...read.faults]
  const inputs = collectOptions(values)
  const gateway = readGateway(inputs, upstreamKeySource(read.origins, sources.environment))
  if (gateway !== undefined) openBearer(values)
  const config = collectOptions(values)
  faults.push(
    ...findContradictions(config, values),
    ...findPlaces(read.origins, values),
    ...findGatewayFaults(config, (name) => values.get(name)?.origin ?? name, faults),
  )
  if (faults.length > 0) throw new ConfigError(faults)
  return {
    config,
    gateway,
    secrets,
    secretOrigins: read.origins,
    origins: collect(values, ({ origin }) => origin),
    inputs: collect(values, ({ input }) => input),
    configFile: file.layer && file.path,
  }
}

/** Clients of model servers send their key as `Authorization: Bearer`. */
function openBearer(values: Map<SettingName, SettingValue>): void {
  const scheme = values.get('scheme')
  if (scheme?.origin !== 'default') return
  const names = ['header', 'bearer'] as const
  values.set('scheme', { ...scheme, input: names, value: names })
}

/** Where the credential of `upstream` stands: it is read there again when it changes. */
function upstreamKeySource(
  { upstreamKey: origin }: ReadSecrets['origins'],
  environment: Environment,
): CredentialSource | undefined {
  if (origin === undefined) return undefined
  return origin.endsWith('_FILE') ? { file: environment[origin] ?? '' } : { env: origin }
}

const nothing: Layer = { values: [], faults: [] }

const defaultLayer: Layer = checkLayer(
  settingNames.map((name) => ({ name, input: settings[name].default, origin: 'default' })),
)

/** What applies if nothing is configured. */
export function defaultOptions(): DeploymentOptions {
  return collectOptions(new Map(defaultLayer.values.map((value) => [value.name, value])))
}

/** The configuration file that is named, or `modelward.json` in the working folder. */
function readNamedFile(sources: ConfigSources): { readonly path: string; readonly layer: Layer | undefined } {
  const [flag, second] = sources.configFlag ?? []
  const named = flag ?? sources.environment[configFileVariable]
  const path = resolve(sources.workingFolder, named ?? defaultConfigFile)
  const where = flag === undefined ? configFileVariable : '--config'
  const faults: ConfigFault[] = []
  if (second !== undefined) faults.push({ where, expected: 'it once', got: 'it several times' })
  if (named === '') faults.push({ where, expected: 'the path of a file', got: 'an empty text' })
  if (faults.length > 0) return { path, layer: { values: [], faults } }
  return { path, layer: readConfigFile(path, named === undefined) }
}

/** Values that are right by themselves and wrong together. Two schemes may not read one header. */
function findContradictions(
  { scheme, keyHeader }: DeploymentOptions,
  values: ReadonlyMap<SettingName, SettingValue>,
): readonly ConfigFault[] {
  if (!scheme.includes('bearer') || keyHeader.toLowerCase() !== 'authorization') return []
  const { origin, input } = values.get('keyHeader') ?? { origin: 'keyHeader', input: keyHeader }
  return [{ where: origin, expected: settings.keyHeader.expected, got: showValue(input) }]
}

/** A deployment is in one place. */
function findPlaces(
  { databaseUrl, redisUrl }: ReadSecrets['origins'],
  values: ReadonlyMap<SettingName, SettingValue>,
): readonly ConfigFault[] {
  const data = values.get('data')?.origin ?? 'default'
  const workers = values.get('workers')
  if (databaseUrl === undefined && workers !== undefined && workers.value !== 1)
    return [
      {
        where: workers.origin,
        expected: '1 without a database URL: limits are exact across processes only in Redis',
        got: showValue(workers.input),
      },
    ]
  if (databaseUrl === undefined && redisUrl !== undefined)
    return [{ where: redisUrl, expected: 'it beside a database URL', got: 'it alone' }]
  if (databaseUrl === undefined || data === 'default') return []
  return [{ where: `${data}, ${databaseUrl}`, expected: 'a data folder or a database URL', got: 'both' }]
}

function collectOptions(values: ReadonlyMap<SettingName, SettingValue>): DeploymentOptions {
  // Each value has passed its setting's schema and none is missing; the type of a record that is
  // built by name cannot say so.
  return collect(values, ({ value }) => value) as unknown as DeploymentOptions
}

function collect<T>(
  values: ReadonlyMap<SettingName, SettingValue>,
  part: (value: SettingValue) => T,
): Record<SettingName, T> {
  return Object.fromEntries([...values].map(([name, value]) => [name, part(value)])) as Record<SettingName, T>
}
