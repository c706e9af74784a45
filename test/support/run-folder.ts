import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, chmodSync, constants, mkdtempSync, readFileSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** What tests leave behind for a while is far less than this, and there is memory for them, too. */
const freeBytesLeast = 8 * 2 ** 30

const prefix = 'modelward-run-'

/**
 * Makes one folder of all temporary files of this process and of those that it starts. However this
 * process ends, `scripts/end-run.ts` then ends what still runs in the folder, and removes it.
 *
 * @param base where to make it
 * @returns ends the run, and resolves once nothing is left of it
 */
export function openRunFolder(base: string = findMemory() ?? tmpdir()): () => Promise<void> {
  // The run is another's.
  if (basename(tmpdir()).startsWith(prefix)) return async () => {}
  const folder = mkdtempSync(join(base, prefix))
  // Some tests are run as other users.
  chmodSync(folder, 0o1777)
  const child = spawn(process.execPath, ['scripts/end-run.ts', folder, String(process.pid)], {
    stdio: ['pipe', 'ignore', 'inherit'],
    // Ctrl-C is for the tests.
    detached: true,
  })
  process.env['TMPDIR'] = folder
  return async () => {
    const ended = once(child, 'exit')
    child.stdin.end()
    await ended
  }
}

/**
 * A folder in memory, where there is plenty and programs may be run from it: every commit of the
 * tests' databases would wait for a disk, some milliseconds each, that no test pulls out.
 */
function findMemory(): string | undefined {
  const folder = '/dev/shm'
  try {
    accessSync(folder, constants.W_OK)
    const mounted = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .find((line) => line.split(' ')[1] === folder)
    if (mounted === undefined || mounted.split(' ')[3]?.split(',').includes('noexec')) return undefined
    const { bavail, bsize } = statfsSync(folder)
    const free = Math.min(bavail * bsize, readAvailable(), readLimit())
    return free >= freeBytesLeast ? folder : undefined
  } catch {
    // Another system than Linux.
    return undefined
  }
}

/** Bytes of memory that this machine has left. */
function readAvailable(): number {
  const kibibytes = /^MemAvailable: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
  return Number(kibibytes ?? 0) * 1_024
}

/** Bytes of memory that this container has left, which a folder in memory takes from. */
function readLimit(): number {
  const read = (name: string): number => {
    try {
      // `max`, where there is none, is no number.
      return Number(readFileSync(`/sys/fs/cgroup/${name}`, 'utf8'))
    } catch {
      return Number.NaN
    }
  }
  const left = read('memory.max') - read('memory.current')
  return Number.isNaN(left) ? Number.POSITIVE_INFINITY : left
}
