import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** How often the parent is looked for, in milliseconds. */
const lookMs = 500

/**
 * Calls `onGone` once the npm, npx, pnpm or yarn that runs this process has ended, or its shell: a
 * signal to them does not reach this process, and the server would keep its port and its folder
 * without them. No other parent counts, and no script that puts the server into the background:
 * such a server outlives its shell.
 */
export function watchRunner(onGone: () => void): void {
  const { npm_command: command, npm_lifecycle_event: script } = process.env
  const parent = process.ppid
  if ((command ?? script) === undefined || !isOfRunner(parent)) return
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    onGone()
  }, lookMs)
  timer.unref()
}

/** npm runs a script as `sh -c SCRIPT`, and some shells become the program that it names. */
function isOfRunner(pid: number): boolean {
  const words = argumentsOf(pid)
  if (isRunner(words)) return true
  const [shell = '', flag, script = ''] = words
  if (!/^(?:ba|da|z)?sh$/.test(basename(shell)) || flag !== '-c' || isBackground(script)) return false
  return isRunner(argumentsOf(Number(readOf(pid, 'stat').split(') ').at(-1)?.split(' ')[1])))
}

/** Whether a script may leave the server to itself, when in doubt. */
function isBackground(script: string): boolean {
  return /&/.test(script.replaceAll('&&', '').replaceAll(/>&|&>/g, '')) || /nohup|setsid|disown/.test(script)
}

/** `npm start` names itself so; others are a program of Node's. */
function isRunner([program = '', script = '']: readonly string[]): boolean {
  const [name = ''] = program.split(' ', 1)
  return [name, script].some((path) =>
    /^(?:npm|npx|pnpm|pnpx|yarn|yarnpkg)(?:-cli)?(?:\.[cm]?js)?$/.test(basename(path)),
  )
}

function argumentsOf(pid: number): readonly string[] {
  return readOf(pid, 'cmdline').split('\0')
}

/** Empty where the system has no `/proc`: then no parent is watched. */
function readOf(pid: number, name: 'cmdline' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}
