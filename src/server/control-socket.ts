import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { classify, problemOf } from '../core/problem.ts'
import { problemMediaType, Refusal } from '../core/refusal.ts'
import type { Ward } from '../ward/ward.ts'
import type { Log } from './http/log.ts'

/**
 * Longest path of a Unix socket on every system, in bytes (unix(7): 108 with the end; macOS 104).
 */
const pathBytesMax = 103

/** Where the server of a data folder answers the command line. */
export function controlSocketOf(folder: string): string {
  return join(folder, 'control.sock')
}

/**
 * Answers the command line about what only the running server knows, such as the status of short
 * limits, and resets them: a Unix socket in the data folder, 0600, so that only users who may read
 * the folder may open it. Without one, as on Windows, the command line sees what is on the disk.
 *
 * @returns what closes it
 */
export async function openControlSocket(
  folder: string,
  asked: ControlledServer,
  log: Log,
): Promise<() => Promise<void>> {
  const path = controlSocketOf(folder)
  if (process.platform === 'win32' || Buffer.byteLength(path) > pathBytesMax) {
    log.info('no control socket: this system has none, or the data folder’s path is too long for one')
    return async () => {}
  }
  const server = createServer(answerFrom(asked))
  try {
    // Left by a server that was killed: this process holds the folder's lock.
    rmSync(path, { force: true })
    server.listen(path)
    await once(server, 'listening')
    chmodSync(path, 0o600)
  } catch (error) {
    // A file system without sockets or modes: a volume of Docker Desktop, SMB, exFAT.
    server.close()
    log.info(`no control socket: ${String(error)}`)
    return async () => {}
  }
  return async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
}

/** What the command line asks a running server about. */
export interface ControlledServer extends Pick<Ward, 'limits'> {
  /** How its model servers stand. @default it has none */
  readonly upstreams?: (() => readonly object[]) | undefined
}

/** `GET /limits/ID` reads, `POST /limits/ID` resets. */
const form = /^(GET|POST) \/limits\/([0-9A-Za-z]{12})$/

function answerFrom({ limits, upstreams = () => [] }: ControlledServer): RequestListener {
  return async (request, response) => {
    response.setHeader('connection', 'close')
    try {
      if (request.method === 'GET' && request.url === '/upstreams') {
        response.setHeader('content-type', 'application/json').end(JSON.stringify({ upstreams: upstreams() }))
        return
      }
      const [, call, id = ''] = form.exec(`${request.method} ${request.url}`) ?? []
      if (call === undefined) throw new Refusal('not_found')
      const status = await (call === 'GET' ? limits.status(id) : limits.by('cli').reset(id))
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ limits: status }))
    } catch (thrown) {
      const { status, body } = problemOf(classify(thrown), 'control')
      response.writeHead(status, { 'content-type': problemMediaType }).end(JSON.stringify(body))
    }
  }
}
