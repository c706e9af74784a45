import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cleanEnvironment, cliFile, runJson, temporaryFolder } from '../e2e/run-cli.ts'
import { childrenOf, findFreePort, findProgram, nameTestSchema, redisUrl } from '../support/services.ts'

const page = readFileSync('docs/guides/fleet.md', 'utf8')

function blockOf(language: string): string {
  const [, block] = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(page) ?? []
  if (block === undefined) throw new Error(`docs/guides/fleet.md has no block of ${language}`)
  return block
}

let folder: ReturnType<typeof temporaryFolder>
let shell: ChildProcess
let drop: () => Promise<void>
/** What stands on the page, and what stands in its place here. */
let places: readonly (readonly [string, string])[]

const placed = (block: string): string =>
  places.reduce((whole, [named, own]) => whole.replaceAll(named, own), block)

beforeAll(async () => {
  folder = temporaryFolder()
  const database = await nameTestSchema()
  drop = database.drop
  const [first, second, front] = [await findFreePort(), await findFreePort(), await findFreePort()]
  places = [
    ['postgres://modelward:$DATABASE_PASSWORD@127.0.0.1:5432/modelward', database.url],
    ['redis://:$REDIS_PASSWORD@127.0.0.1:6379/0', await redisUrl()],
    ...[8_001, 8_002, 8_000].map((port, index) => [`${port}`, `${[first, second, front][index]}`] as const),
  ]
})

afterAll(async () => {
  // A command in the background is the child of a shell of its own.
  const shells = childrenOf(shell.pid ?? 0)
  const started = shells.flatMap(childrenOf)
  const nginx = Number(readFileSync(join(folder.path, 'nginx.pid'), 'utf8'))
  for (const pid of [...started, nginx]) process.kill(pid, 'SIGTERM')
  await once(shell, 'exit')
  await drop()
  folder[Symbol.dispose]()
})

test('docs/guides/fleet.md leads to two nodes behind nginx in its ten commands or so', async () => {
  const commands = placed(blockOf('sh'))
  expect(commands.trim().split('\n').length).toBeLessThanOrEqual(11)
  writeFileSync(join(folder.path, 'nginx.conf'), placed(blockOf('nginx')))
  const nginx = await findProgram('nginx')
  const script = [
    'set -e',
    'npm() { :; }',
    `npx() { shift; '${process.execPath}' '${cliFile}' "$@"; }`,
    `nginx() { '${nginx}' "$@"; }`,
    // What a reader's own pace does: they are asked once they are there.
    `ready() { until curl -sf "$1/ready" > ready.json; do sleep 0.1; done; }`,
    commands.replace(
      'nginx -p',
      `ready http://127.0.0.1:${places[2]?.[1]}\nready http://127.0.0.1:${places[3]?.[1]}\nnginx -p`,
    ),
    // The nodes end with the test.
    'echo; echo done; wait',
  ].join('\n')
  shell = spawn('/bin/sh', ['-c', script], {
    cwd: folder.path,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  shell.stderr?.setEncoding('utf8').on('data', (piece: string) => {
    output += piece
  })
  await new Promise<void>((resolve, reject) => {
    shell.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      output += piece
      if (output.includes('\ndone\n')) resolve()
    })
    shell.once('exit', (code) => reject(new Error(`the commands ended with ${code}: ${output}`)))
  })
  expect(output).toContain('"sentiment":"positive"')
  const env = Object.fromEntries(
    readFileSync(join(folder.path, 'fleet.env'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  const { nodes } = await runJson<{ nodes: readonly { live: boolean }[] }>(['nodes', 'list'], { env })
  expect(nodes.map(({ live }) => live)).toEqual([true, true])
})
