import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { undoAtExit } from '../leftovers.ts'
import type { LoadMessage } from './load-process.ts'
import type { StreamsAsked, StreamsSeen } from './stream-clients.ts'

export interface Load extends Disposable {
  /** Of the model server. */
  readonly port: number
  /** One order at a time. */
  readonly askForStreams: (asked: StreamsAsked) => Promise<StreamsSeen>
}

/** Starts the model server and clients of streams in one process. @param core undefined: any */
export async function openLoad(core: number | undefined): Promise<Load> {
  const node = [process.execPath, fileURLToPath(new URL('load-process.ts', import.meta.url))]
  const [command = '', ...args] = core === undefined ? node : ['taskset', '-c', `${core}`, ...node]
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const kill = undoAtExit(() => void child.kill('SIGKILL'))
  const ended = once(child, 'exit').then(() => {
    throw new Error('the process of the model server ended')
  })
  ended.catch(() => {})
  const next = async (): Promise<LoadMessage> => {
    const [message] = (await Promise.race([once(child, 'message'), ended])) as [LoadMessage]
    if ('error' in message) throw new Error(message.error)
    return message
  }
  const first = await next()
  if (!('port' in first)) throw new Error('expected a port')
  return {
    port: first.port,
    async askForStreams(asked) {
      const answered = next()
      child.send(asked)
      const message = await answered
      if (!('seen' in message)) throw new Error('expected what was seen')
      return message.seen
    },
    [Symbol.dispose]: kill,
  }
}
