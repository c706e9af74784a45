import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { resolve } from 'node:path'
import { json } from 'node:stream/consumers'
import type { LoadedConfig } from '../../config/load-config.ts'
import { Refusal } from '../../core/refusal.ts'
import { controlSocketOf } from '../../server/control-socket.ts'
import { CliError } from '../cli-error.ts'

/** How long a server may take to answer, in milliseconds. */
const answerMsMax = 5_000

/** Codes of a socket on which no server listens. */
const notListening: ReadonlySet<string> = new Set([
  'ENOENT',
  'ECONNREFUSED',
  'ENOTSOCK',
  'EINVAL',
  'ENAMETOOLONG',
])

/**
 * Asks the server that runs on a data folder; undefined where none does.
 *
 * @throws Refusal `not_found`; CliError `server_failed` if it does not answer, or not as expected
 */
export async function askServer(
  folder: string,
  path: string,
  method: 'GET' | 'POST' = 'GET',
): Promise<unknown> {
  const call = request({
    socketPath: controlSocketOf(folder),
    method,
    path,
    signal: AbortSignal.timeout(answerMsMax),
  })
  call.end()
  let answer: IncomingMessage
  try {
    ;[answer] = (await once(call, 'response')) as [IncomingMessage]
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error'
    if (notListening.has(code)) return undefined
    throw new CliError('server_failed', `the server of ${folder} does not answer (${code})`)
  }
  const body = await json(answer)
  if (answer.statusCode === 200) return body
  const { detail } = body as { readonly detail?: string }
  if (answer.statusCode === 404) throw new Refusal('not_found', detail)
  throw new CliError('server_failed', `the server of ${folder} answered ${answer.statusCode}: ${detail}`)
}

/**
 * Asks the server of a deployment; undefined where none runs, and in a fleet, whose limits every
 * process can see.
 */
export async function askServerOf(
  { config, secrets }: LoadedConfig,
  path: string,
  method: 'GET' | 'POST' = 'GET',
): Promise<unknown> {
  return secrets.databaseUrl === undefined ? askServer(resolve(config.data), path, method) : undefined
}
