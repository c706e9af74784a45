import { readFileSync, type Stats, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { every, type Scheduler } from '../../core/scheduler.ts'
import { SetupError } from '../../core/setup-error.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { CredentialSource } from '../gateway-settings.ts'
import { createRedaction, type Redact } from './redaction.ts'

/** What an upstream is shown, and what takes it out of texts. */
export interface Credential {
  /** Undefined: it asks for none. */
  readonly text: () => string | undefined
  /** Takes out of a text what is shown now and what was shown before, however it is written. */
  readonly redact: Redact
  readonly close: () => void
}

export interface CredentialOptions {
  /** The upstream's name. */
  readonly upstream: string
  readonly source: CredentialSource | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly scheduler: Scheduler
  readonly telemetry: Telemetry
}

/** Between two looks whether the file has changed. */
const lookMs = 1_000

/** Longest credential, in characters: a head has no room for more. */
const credentialLengthMax = 8 * 1024

/** What may stand in a header's value, without spaces: RFC 9110, 5.5. */
const headerText = /^[\x21-\x7e]+$/

/**
 * Reads a credential, and its file again when that has changed. A file that cannot be read any more
 * is an event, and the last credential stays: the upstream knows best whether it is still right.
 *
 * @throws SetupError `config_invalid` where it cannot be read at first; it names no value
 */
export function openCredential({ upstream, source, ...options }: CredentialOptions): Credential {
  const where = `upstreams.${upstream}.key`
  if (source === undefined) return { text: () => undefined, redact: (text) => text, close() {} }
  if ('file' in source) return followFile(upstream, where, source.file, options)
  const text = checkText(options.env[source.env] ?? '', `${where}: the variable ${source.env}`)
  const redaction = createRedaction(text)
  return { text: () => text, redact: redaction.redact, close() {} }
}

function followFile(
  upstream: string,
  where: string,
  path: string,
  { scheduler, telemetry }: Pick<CredentialOptions, 'scheduler' | 'telemetry'>,
): Credential {
  let last = readAtFirst(where, path)
  const redaction = createRedaction(last.text)
  let isLooking = false

  async function look(): Promise<void> {
    const mark = markOf(await stat(path))
    if (mark === last.mark) return
    const text = checkText(await readFile(path, 'utf8'), where)
    last = { mark, text }
    redaction.add(text)
  }

  const stop = every(scheduler, lookMs, () => {
    // A file on a server that does not answer is waited for once.
    if (isLooking) return
    isLooking = true
    look()
      .catch((thrown: unknown) => telemetry.event('upstream.credential_unread', { upstream }, whatOf(thrown)))
      .finally(() => {
        isLooking = false
      })
  })
  return { text: () => last.text, redact: redaction.redact, close: stop }
}

function readAtFirst(where: string, path: string): { readonly mark: string; readonly text: string } {
  try {
    const mark = markOf(statSync(path))
    return { mark, text: checkText(readFileSync(path, 'utf8'), where) }
  } catch (cause) {
    if (cause instanceof SetupError) throw cause
    throw new SetupError('config_invalid', `${where}: expected a file that can be read, got ${whatOf(cause)}`)
  }
}

/** Not the path: it may be the credential itself, put in the wrong place. */
function whatOf(thrown: unknown): string {
  if (thrown instanceof SetupError) return thrown.message
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'an error'
}

/** Tells a file that was written or put in its place from the one before. */
function markOf({ mtimeMs, size, ino }: Stats): string {
  return `${mtimeMs} ${size} ${ino}`
}

function checkText(found: string, where: string): string {
  // A file ends with the end of a line.
  const text = found.trim()
  if (text !== '' && text.length <= credentialLengthMax && headerText.test(text)) return text
  const got = text === '' ? 'none' : 'something else'
  const expected = `a credential of at most ${credentialLengthMax} printable ASCII characters`
  throw new SetupError('config_invalid', `${where}: expected ${expected}, got ${got}`)
}
