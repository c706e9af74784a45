import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { repositoryFolder } from './repository-folder.ts'

/** What a figure was measured on: without it a figure says nothing. */
export interface Machine {
  readonly date: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  /** Its short hash, with `+changes` where files under `src` or `bench` differ from it. */
  readonly commit: string
  /** Of the minute before the run: far above 0 means that others were at work. */
  readonly load: number
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()}`,
    node: process.version,
    commit: readCommit(),
    load: loadavg()[0] ?? Number.NaN,
  }
}

export function formatMachine(machine: Machine, command: string): string {
  const { date, cpu, cores, memoryGiB, kernel, node, commit, load } = machine
  return [
    `- machine: ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}; load before the run ${load.toFixed(2)}`,
    `- Node ${node}, commit ${commit}, ${date}`,
    `- command: \`${command}\``,
  ].join('\n')
}

function readCommit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: repositoryFolder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  try {
    const changes = git('status', '--porcelain', '--', 'src', 'bench')
    return git('rev-parse', '--short', 'HEAD') + (changes === '' ? '' : '+changes')
  } catch {
    return 'unknown'
  }
}
