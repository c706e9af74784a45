import { createServer } from 'node:net'
import type { DeploymentOptions } from '../../config/settings.ts'
import type { StorageFinding } from '../../storage/storage.ts'
import { reasonOf } from '../terminal/output-file.ts'

/** Longest wait for an answer from the port, in milliseconds. */
const answerMsMax = 2_000

/** Whether the server could listen, or does. */
export async function checkPort({ host, port }: DeploymentOptions): Promise<StorageFinding> {
  const where = `${host}:${port}`
  if (port === 0) return ok('port', `${host}, any that is free`)
  const reason = await tryToListen(host, port)
  if (reason === undefined) return ok('port', `${where} is free`)
  if (reason !== 'EADDRINUSE')
    return fail('port', `${where} cannot be used: ${reason}`, 'choose another host or port')
  if (await isServedByUs(host, port)) return ok('port', `${where} is served by Modelward`)
  return fail('port', `${where} is taken by another program`, 'stop it, or choose another with --port')
}

async function tryToListen(host: string, port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const server = createServer()
  server.once('error', (error) => resolve(reasonOf(error)))
  server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  return promise
}

/** A keyless request to a guarded route is answered by no other program in our words. */
async function isServedByUs(host: string, port: number): Promise<boolean> {
  const target =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
  try {
    const answer = await fetch(`http://${target}:${port}/v1/keys/self`, {
      signal: AbortSignal.timeout(answerMsMax),
      redirect: 'manual',
    })
    const body = (await answer.json()) as { readonly type?: unknown } | null
    return answer.status === 401 && String(body?.type).startsWith('urn:modelward:')
  } catch {
    return false
  }
}

export function ok(check: string, message: string): StorageFinding {
  return { check, status: 'ok', message }
}

export function fail(check: string, message: string, todo: string): StorageFinding {
  return { check, status: 'fail', message, todo }
}
