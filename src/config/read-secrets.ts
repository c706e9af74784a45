import { readFileSync } from 'node:fs'
import type { ConfigFault } from './config-fault.ts'
import type { Environment } from './environment-layer.ts'
import {
  type DeploymentSecrets,
  type SecretName,
  secretFlagOf,
  secretNames,
  secretSettings,
} from './secret-settings.ts'

/** The texts given for each flag, in order. */
export type SecretFlags = { readonly [Name in SecretName]?: readonly string[] | undefined }

/** Secrets, and where they came from. Their texts are never shown, nor the paths of their files. */
export interface ReadSecrets {
  readonly secrets: DeploymentSecrets
  /** The flag or the environment name that each came from. */
  readonly origins: { readonly [Name in SecretName]?: string }
  readonly faults: readonly ConfigFault[]
}

interface Found {
  readonly text?: string
  readonly origin?: string
  readonly fault?: ConfigFault
}

/**
 * Reads each secret from its flag where it has one, its variable, or the file that the variable
 * with `_FILE` names. Both variables at once contradict; a flag is stronger than either.
 */
export function readSecrets(environment: Environment, flags: SecretFlags = {}): ReadSecrets {
  const faults: ConfigFault[] = []
  const read = (name: SecretName): Found => {
    const inEnvironment = findInEnvironment(name, environment)
    const inFlag = findInFlag(name, flags[name])
    // Also one that a stronger source overrules.
    for (const { fault } of [inEnvironment, inFlag]) if (fault !== undefined) faults.push(fault)
    return { ...inEnvironment, ...inFlag }
  }
  const found: Readonly<Record<SecretName, Found>> = {
    pepper: read('pepper'),
    signingKey: read('signingKey'),
    databaseUrl: read('databaseUrl'),
    redisUrl: read('redisUrl'),
    upstreamKey: read('upstreamKey'),
  }
  const { pepper, signingKey, databaseUrl, redisUrl, upstreamKey } = found
  return {
    secrets: {
      pepper: pepper.text,
      signingKey: signingKey.text,
      databaseUrl: databaseUrl.text,
      redisUrl: redisUrl.text,
      upstreamKey: upstreamKey.text,
    },
    origins: Object.fromEntries(secretNames.map((name) => [name, found[name].origin])),
    faults,
  }
}

function findInFlag(name: SecretName, texts: readonly string[] = []): Found {
  const [text, second] = texts
  if (text === undefined) return {}
  const origin = secretFlagOf(name)
  if (second !== undefined) return faulty(origin, 'it once', `it ${texts.length} times`)
  return checkText(name, text, origin)
}

function findInEnvironment(name: SecretName, environment: Environment): Found {
  const { variable } = secretSettings[name]
  const fileVariable = `${variable}_FILE`
  const text = environment[variable]
  const file = environment[fileVariable]
  if (text !== undefined && file !== undefined)
    return faulty(`${variable}, ${fileVariable}`, 'one of the two', 'both')
  if (text !== undefined) return checkText(name, text, variable)
  if (file === undefined) return {}
  if (file === '') return faulty(fileVariable, 'the path of a file', 'an empty text')
  try {
    return checkText(name, readFileSync(file, 'utf8'), fileVariable)
  } catch (error) {
    // Not the path either: it may be the secret itself, put in the wrong variable.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error'
    return faulty(fileVariable, 'the path of a file that can be read', code)
  }
}

/** An empty text is a fault, not unset: a secret that failed to arrive must not go unnoticed. */
function checkText(name: SecretName, text: string, origin: string): Found {
  const { check, expected } = secretSettings[name]
  // A file ends with the end of a line.
  const trimmed = text.trim()
  if (trimmed === '') return faulty(origin, expected, 'an empty text')
  try {
    check(trimmed)
  } catch {
    return faulty(origin, expected, 'something else')
  }
  return { text: trimmed, origin }
}

function faulty(where: string, expected: string, got: string): Found {
  return { fault: { where, expected, got } }
}
