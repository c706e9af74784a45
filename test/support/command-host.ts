// A process that runs commands one after the other, as `src/cli/main.ts` runs one: most of what a
// short command costs is the start of Node and of some five hundred modules, and the tests give a
// thousand of them.
//
//   node test/support/command-host.ts <socket>
//
// Each connection is one command: a line of JSON, `CommandRequest`, and back one, `CommandAnswer`,
// or `null` while another runs: commands that a test runs at once are processes of their own. It
// ends with standard input.
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Readable, Writable } from 'node:stream'
import { runCli } from '../../src/cli/run-cli.ts'

export interface CommandRequest {
  readonly args: readonly string[]
  readonly cwd: string
  /** The whole environment. */
  readonly env: NodeJS.ProcessEnv
  /** Standard input. */
  readonly input: string
}

export interface CommandAnswer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

let isRunning = false

async function answer(socket: Socket): Promise<void> {
  for await (const line of createInterface(socket)) {
    if (isRunning) {
      socket.end('null\n')
      continue
    }
    isRunning = true
    try {
      const said = await runCommand(JSON.parse(line) as CommandRequest)
      socket.end(`${JSON.stringify(said)}\n`)
    } finally {
      isRunning = false
    }
  }
}

async function runCommand({ args, cwd, env, input }: CommandRequest): Promise<CommandAnswer> {
  const stdout = collect()
  const stderr = collect()
  const streams = { stdin: Readable.from(input === '' ? [] : [Buffer.from(input)]), stdout, stderr }
  for (const [name, value] of Object.entries(streams))
    Object.defineProperty(process, name, { value, configurable: true })
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
  process.chdir(cwd)
  process.exitCode = undefined
  try {
    const code = await runCli(args)
    return { code, stdout: stdout.text(), stderr: stderr.text() }
  } finally {
    process.exitCode = undefined
    // The test may remove its folder.
    process.chdir('/')
  }
}

function collect(): Writable & { readonly text: () => string } {
  const pieces: Buffer[] = []
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece)
      done()
    },
  })
  return Object.assign(stream, { text: () => Buffer.concat(pieces).toString() })
}

process.stdin.resume().on('end', () => process.exit())
const [, , path] = process.argv
createServer((socket) => {
  // The test may be gone.
  socket.on('error', () => {})
  void answer(socket)
}).listen(path, () => process.stdout.write('listening\n'))
