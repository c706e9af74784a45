import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** How often the parent is looked for, in milliseconds. */
const lookMs = 500

/** What is known of the processes of this machine. */
export interface Processes {
  /** Empty where that is not known. */
  readonly argumentsOf: (pid: number) => readonly string[]
  /** Undefined where that is not known. */
  readonly parentOf: (pid: number) => number | undefined
}

/**
 * Calls `onGone` once the npm, npx, pnpm or yarn that runs this process has ended, or its shell: a
 * signal to them does not reach this process, and the server would keep its port and its folder
 * without them. No other parent counts, and no script that puts the server into the background:
 * such a server outlives its shell.
 */
export function watchRunner(onGone: () => void): void {
  const { npm_command: command, npm_lifecycle_event: event, npm_lifecycle_script: script } = process.env
  if ((command ?? event) === undefined) return
  const [parent, runner] = runnersOf(process.ppid, script, machine)
  if (parent === undefined) return
  const timer = setInterval(() => {
    if (process.ppid === parent && (runner === undefined || isParent(runner, parent))) return
    clearInterval(timer)
    onGone()
  }, lookMs)
  timer.unref()
}

/**
 * The processes without which a server is to end: the runner, or the shell of its script and the
 * runner. npm runs a script as `sh -c SCRIPT`, and some shells become the program that it names.
 * Empty for any other parent.
 *
 * @param script what npm says that it runs
 */
export function runnersOf(
  parent: number,
  script: string | undefined,
  { argumentsOf, parentOf }: Processes,
): readonly number[] {
  const words = argumentsOf(parent)
  if (isRunner(words)) return isBackground(script ?? '') ? [] : [parent]
  const [shell = '', flag, run = ''] = words
  if (!/^(?:ba|da|z)?sh$/.test(basename(shell)) || flag !== '-c' || isBackground(run)) return []
  const runner = parentOf(parent)
  return runner !== undefined && isRunner(argumentsOf(runner)) ? [parent, runner] : []
}

/** Unless it is known to have another. */
function isParent(parent: number, child: number): boolean {
  return (machine.parentOf(child) ?? parent) === parent
}

/** Whether a script may leave the server to itself, when in doubt. */
function isBackground(script: string): boolean {
  return /&/.test(script.replaceAll('&&', '').replaceAll(/>&|&>/g, '')) || /nohup|setsid|disown/.test(script)
}

/** `npm start` names itself so; others are a program of Node's, some with their version. */
function isRunner([program = '', script = '']: readonly string[]): boolean {
  const [name = ''] = program.split(' ', 1)
  return [name, script].some((path) =>
    /^(?:npm|npx|pnpm|pnpx|yarn|yarnpkg)(?:-cli)?(?:-\d[\w.-]*)?(?:\.[cm]?js)?$/.test(basename(path)),
  )
}

const machine: Processes = {
  argumentsOf: (pid) => readOf(pid, 'cmdline').split('\0'),
  // The name in between may hold anything (proc_pid_stat(5)).
  parentOf: (pid) => Number(readOf(pid, 'stat').split(') ').at(-1)?.split(' ')[1]) || undefined,
}

/** Empty where the system has no `/proc`, or no file can be opened. */
function readOf(pid: number, name: 'cmdline' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}
