import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { type CommandEntry, commandGroups, commandIndex } from './command-index.ts'

/**
 * The command line, with every command named and those that `isWanted` defined in full.
 * Nothing is written and nothing exits on a fault: Commander's errors are thrown.
 */
export async function buildProgram(isWanted: (entry: CommandEntry) => boolean): Promise<Command> {
  const program = quiet(new Command('modelward'))
    .description('API keys and a guard in front of AI models')
    .version(programVersion(), '-V, --version', 'Print the version')
    .addHelpText('after', '\nEvery command explains itself: modelward keys create --help')
  for (const entry of commandIndex) {
    const words = entry.path.split(' ')
    const name = words.pop() ?? ''
    const [group] = words
    const parent = group === undefined ? program : groupOf(program, group)
    const command = quiet(new Command(name)).summary(entry.summary).description(`${entry.summary}.`)
    if (isWanted(entry)) {
      ;(await entry.load())(command)
      refuseRepeats(command)
    }
    parent.addCommand(command)
  }
  return program
}

/** Whether the command is the one that these arguments call, or whose help they ask for. */
export function isCalled(args: readonly string[]): (entry: CommandEntry) => boolean {
  const words = args[0] === 'help' ? args.slice(1) : args
  return ({ path }) => path.split(' ').every((word, index) => words[index] === word)
}

function groupOf(program: Command, name: string): Command {
  const found = program.commands.find((command) => command.name() === name)
  if (found !== undefined) return found
  const summary = commandGroups[name] ?? ''
  const group = quiet(new Command(name)).summary(summary).description(`${summary}.`)
  program.addCommand(group)
  return group
}

/**
 * Commander takes the last of two values in silence. Flags that may be repeated collect theirs, and
 * have a parser for it.
 */
function refuseRepeats(command: Command): void {
  for (const option of command.options) {
    if (!option.required || option.variadic || option.defaultValue !== undefined) continue
    const { parseArg } = option
    if (parseArg !== undefined && option.argChoices === undefined) continue
    option.argParser((text: string, before: unknown) => {
      if (before !== undefined && before !== false) throw new InvalidArgumentError('It is given twice.')
      return parseArg === undefined ? text : parseArg.call(option, text, undefined)
    })
  }
}

/** The version in package.json: two folders up, from the sources and from the built package. */
function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { readonly version: unknown }).version)
}

function quiet(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp({ showGlobalOptions: false })
    .helpOption('-h, --help', 'Explain this command')
    .allowExcessArguments(false)
}
