import { readFileSync } from 'node:fs'
import { basename, dirname, isAbsolute, resolve } from 'node:path'
import { suggest } from '../core/suggest.ts'
import { type ConfigFault, showValue } from './config-fault.ts'
import { checkLayer, type Layer, type RawSetting } from './layer.ts'
import { isObject } from './object-faults.ts'
import { type SettingName, settingNames } from './settings.ts'

/**
 * The settings in a configuration file, one JSON object; undefined if a file that was not named is
 * missing.
 *
 * @param path absolute
 * @param mayBeMissing whether the file was not named, so that a missing one is no fault
 */
export function readConfigFile(path: string, mayBeMissing: boolean): Layer | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error'
    if (code === 'ENOENT' && mayBeMissing) return undefined
    return faulty({ where: path, expected: 'a configuration file that can be read', got: code })
  }
  return readConfigText(text, path)
}

/** The settings in a configuration file's text; `path` is for messages and relative paths. */
function readConfigText(text: string, path: string): Layer {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // The parser's own message quotes the file, which may hold a secret.
    return faulty({ where: path, expected: 'one JSON object', got: 'something that is not JSON' })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return faulty({
      where: path,
      expected: 'one JSON object',
      got: Array.isArray(parsed) ? 'an array' : showValue(parsed),
    })
  const file = basename(path)
  const raw: RawSetting[] = []
  const faults: ConfigFault[] = findRepeatedKeys(text).map((key) => ({
    where: `${file}: ${showKey(key)}`,
    expected: 'it once',
    got: 'it several times',
  }))
  for (const [key, input] of Object.entries(parsed)) {
    if (isSettingName(key))
      raw.push({ name: key, input: placeInput(key, input, path), origin: `${file}: ${key}` })
    else faults.push(unknownKey(key, file))
  }
  return checkLayer(raw, faults)
}

/** A file may be named from anywhere: what it says of folders starts at the file. */
function placeInput(name: SettingName, input: unknown, path: string): unknown {
  if (name === 'model' && Array.isArray(input)) return input.map((item) => placePath(item, path))
  if (name === 'upstreams' && isObject(input)) return placeUpstreams(input, path)
  return name === 'data' ? placePath(input, path) : input
}

/** An upstream names files in `key.file` and `ca`. */
function placeUpstreams(input: Readonly<Record<string, unknown>>, path: string): unknown {
  const place = (upstream: unknown): unknown => {
    if (!isObject(upstream)) return upstream
    const { key, ca } = upstream
    const isFile = isObject(key) && key['file'] !== undefined
    return {
      ...upstream,
      ...(isFile && { key: { ...key, file: placePath(key['file'], path) } }),
      ...(ca !== undefined && { ca: placePath(ca, path) }),
    }
  }
  return Object.fromEntries(Object.entries(input).map(([name, upstream]) => [name, place(upstream)]))
}

function placePath(input: unknown, path: string): unknown {
  if (typeof input !== 'string' || input === '' || input.startsWith('~')) return input
  return isAbsolute(input) ? input : resolve(dirname(path), input)
}

function isSettingName(key: string): key is SettingName {
  return settingNames.some((name) => name === key)
}

function unknownKey(key: string, file: string): ConfigFault {
  const unknown = {
    where: `${file}: ${showKey(key)}`,
    expected: 'the name of a setting',
    got: 'one that means nothing',
  }
  if (/pepper|secret/i.test(key))
    return { ...unknown, hint: 'secrets come from MODELWARD_PEPPER or MODELWARD_PEPPER_FILE alone' }
  const meant = suggest(key, settingNames)
  return meant === undefined ? unknown : { ...unknown, hint: `did you mean ${meant}?` }
}

function showKey(key: string): string {
  const shown = showValue(key)
  return /^"[\w.$-]+"$/.test(shown) ? shown.slice(1, -1) : shown
}

/**
 * `JSON.parse` takes the last of two equal keys in silence. The text is known to be JSON.
 *
 * @returns the way to each: `port`, `forwardAuth.models`
 */
function findRepeatedKeys(text: string): readonly string[] {
  const repeated = new Set<string>()
  const open: { readonly seen: Set<string>; readonly way: string }[] = []
  /** Of the member that begins; empty for an item of an array. */
  let key = ''
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?(?:\s*:)?|[{}[\]]/g)) {
    const around = open.at(-1)
    if (token === '{' || token === '[') {
      open.push({ seen: new Set(), way: `${around?.way ?? ''}${key === '' ? '' : `${key}.`}` })
      key = ''
    } else if (token === '}' || token === ']') {
      open.pop()
      key = ''
    } else if (around !== undefined && token.endsWith(':')) {
      key = String(JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)))
      if (around.seen.has(key)) repeated.add(`${around.way}${key}`)
      around.seen.add(key)
    }
  }
  return [...repeated]
}

function faulty(fault: ConfigFault): Layer {
  return { values: [], faults: [fault] }
}
