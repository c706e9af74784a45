// Ends a run of tests, however it ended:
//
//   node scripts/end-run.ts <folder> <pid>
//
// waits until standard input ends, as it does when the process that started this one is gone. Then
// it kills what still runs in the folder, unmounts what is mounted there, and removes it. What
// `scripts/services.mjs` has started that program stops itself, and what is still a child of the
// process with this id is that one's to end.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'

interface Running {
  readonly pid: number
  readonly parent: number
  readonly command: string
  /** Whether it works in the folder, has it in its arguments, or for its temporary files. */
  readonly isOfRun: boolean
}

const [, , folder = '', runner = ''] = process.argv
process.stdin.resume().once('end', endRun)

async function endRun(): Promise<void> {
  for (let tries = 0; tries < 600 && killLeft(); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 100))
  for (const mounted of readMounts()) spawnSync('umount', ['--lazy', mounted])
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}

/** Returns whether something is still to be waited for. */
function killLeft(): boolean {
  const all = readProcesses()
  const isSpared = ({ pid, command, parent }: Running): boolean => {
    if (pid === Number(runner) || pid === process.pid || command.includes('scripts/services.mjs')) return true
    const above = all.get(parent)
    return above !== undefined && isSpared(above)
  }
  const ofRun = [...all.values()].filter(({ isOfRun }) => isOfRun)
  const left = ofRun.filter((one) => !isSpared(one))
  for (const { pid, command } of left) {
    process.stderr.write(`ended what tests left running: ${command}\n`)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
  const isServices = ({ command, parent }: Running): boolean =>
    command.includes('scripts/services.mjs') && parent !== Number(runner)
  return left.length > 0 || ofRun.some(isServices)
}

function readProcesses(): ReadonlyMap<number, Running> {
  const pids = listPids()
  return new Map(pids.flatMap((pid) => readProcess(pid) ?? []).map((one) => [one.pid, one]))
}

function listPids(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    // Another system than Linux.
    return []
  }
}

function readProcess(pid: number): Running | undefined {
  try {
    const read = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'utf8')
    const command = read('cmdline').replaceAll('\0', ' ').trim()
    // Behind the command's name in parentheses: state and parent.
    const parent = Number(read('stat').split(') ').at(-1)?.split(' ')[1])
    const isOfRun =
      command.includes(folder) ||
      read('environ').split('\0').includes(`TMPDIR=${folder}`) ||
      readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)
    return { pid, parent, command, isOfRun }
  } catch {
    // It has ended meanwhile, or is another user's.
    return undefined
  }
}

/** The innermost first. */
function readMounts(): readonly string[] {
  try {
    return readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
      .filter((path) => path.startsWith(`${folder}/`))
      .reverse()
  } catch {
    return []
  }
}
