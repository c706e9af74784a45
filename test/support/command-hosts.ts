import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { CommandAnswer, CommandRequest } from './command-host.ts'

/** Names the sockets of `command-host.ts`, a colon between them; not set, none run. */
export const commandHostsVariable = 'TEST_COMMAND_HOSTS'

/** Runs a command in a process that has run others; undefined where none is free. */
export async function runInHost(request: CommandRequest): Promise<CommandAnswer | undefined> {
  const paths = (process.env[commandHostsVariable] ?? '').split(':').filter((path) => path !== '')
  for (const path of paths) {
    const socket = connect(path)
    await once(socket, 'connect')
    socket.write(`${JSON.stringify(request)}\n`)
    const said = await text(socket)
    if (said === '') throw new Error(`modelward ${request.args.join(' ')}: its process ended`)
    const answer = JSON.parse(said) as CommandAnswer | null
    if (answer !== null) return answer
  }
  return undefined
}
