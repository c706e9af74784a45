import { CommanderError } from 'commander'
import { buildProgram, isCalled } from './build-program.ts'
import { exitCodes } from './exit-code.ts'
import { reportError } from './report-error.ts'

/** Runs one command line, without the program's own name; gives what to exit with. */
export async function runCli(args: readonly string[]): Promise<number> {
  try {
    const program = await buildProgram(isCalled(args))
    await program.parseAsync(args, { from: 'user' })
    return Number(process.exitCode ?? exitCodes.ok)
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok
    // A group without a command has shown its help, on standard error.
    if (error instanceof CommanderError && error.code === 'commander.help') return exitCodes.usage
    return reportError(error, asksForJson(args))
  }
}

/** From the raw arguments: errors are JSON too if the command line cannot be parsed. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}
