import { readFileSync } from 'node:fs'
import { parsePeppers } from '../secrets/peppers.ts'
import type { ConfigFault } from './config-fault.ts'
import type { Environment } from './environment-layer.ts'
import { pepperFileVariable, pepperVariable } from './setting-names.ts'

/** The peppers of the environment. Neither their text nor the path of their file is ever shown. */
export interface PepperSetting {
  readonly pepper: string | undefined
  /** The environment name they came from. */
  readonly origin: string | undefined
  readonly faults: readonly ConfigFault[]
}

const expected = 'peppers, each as `<version>:<base64url of at least 32 bytes>`'

/**
 * Reads the peppers from `MODELWARD_PEPPER`, or from the file that `MODELWARD_PEPPER_FILE` names;
 * both at once contradict.
 */
export function readPepper(environment: Environment): PepperSetting {
  const text = environment[pepperVariable]
  const file = environment[pepperFileVariable]
  if (text !== undefined && file !== undefined) {
    const where = `${pepperVariable}, ${pepperFileVariable}`
    return faulty(where, 'one of the two', 'both')
  }
  if (text !== undefined) return checkPepper(text, pepperVariable)
  if (file === undefined) return { pepper: undefined, origin: undefined, faults: [] }
  if (file === '') return faulty(pepperFileVariable, 'the path of a file', 'an empty text')
  try {
    return checkPepper(readFileSync(file, 'utf8'), pepperFileVariable)
  } catch (error) {
    // Not the path either: it may be the pepper itself, put in the wrong variable.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error'
    return faulty(pepperFileVariable, 'the path of a file that can be read', code)
  }
}

/**
 * An empty text is a fault, not unset: a pepper that failed to arrive must not be replaced by a new
 * one.
 */
function checkPepper(text: string, origin: string): PepperSetting {
  if (text.trim() === '') return faulty(origin, expected, 'an empty text')
  try {
    parsePeppers(text, origin)
  } catch {
    return faulty(origin, expected, 'something else')
  }
  return { pepper: text, origin, faults: [] }
}

function faulty(where: string, wanted: string, got: string): PepperSetting {
  return { pepper: undefined, origin: undefined, faults: [{ where, expected: wanted, got }] }
}
