import type { Command } from 'commander'
import { buildProgram } from './build-program.ts'

/** `docs/reference/cli.md`, from the commands themselves. */
export async function formatCliPage(): Promise<string> {
  const program = await buildProgram(() => true)
  return `${intro}\n${program.commands.flatMap(leafCommands).map(formatCommand).join('\n')}`
}

function leafCommands(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leafCommands)
}

function formatCommand(command: Command): string {
  let help = ''
  // `outputHelp` writes what `helpInformation` leaves out: the examples.
  command.configureOutput({ writeOut: (text) => (help += text) })
  command.configureHelp({ helpWidth: 110 })
  command.outputHelp()
  const path = command.parent?.parent ? `${command.parent.name()} ${command.name()}` : command.name()
  return `## \`modelward ${path}\`\n\n\`\`\`text\n${help.trim()}\n\`\`\`\n`
}

const intro = `# Command line

<!-- Generated from src/cli; \`npx vitest run src/cli -u\` writes it again. -->

From a clone: \`npm run -s modelward -- <command>\`, and \`npm start -- [flags]\` for \`serve\`. From the package: \`npx modelward <command>\`.
Commands may run while a server runs on the same data folder; what they change shows in the server within a second.

- **Standard output** carries the answer and nothing else; with \`--json\` it is one JSON document on one line.
- **Errors** go to standard error as \`modelward: <message> (<code>)\`; with \`--json\` as
  \`{"error":{"code","message","errors":[{"where","message"}]}}\`, where \`errors\` is there when several things are wrong.
  Logs of \`serve\` are JSON lines on standard error.
- **Keys** are printed by \`keys create\` and \`keys rotate\` alone, once, after they are durable: a key that was printed works, whatever
  happens to the process afterwards. No secret is taken from a flag, because every user of a machine can read command lines.
- **The data folder** is made by \`serve\`, \`keys create\` and \`keys import\`; for the others a missing one is \`data_missing\`.
- A flag that takes one value may be given once; twice is a fault.

| exit code | means |
|---|---|
| 0 | done, and the answer is good; also when the reader of a pipe has had enough |
| 1 | refused, or the answer is bad: \`not_found\`, \`job_not_found\`, \`delivery_not_found\`, \`key_conflict\`, \`idempotency_mismatch\`; \`scan\` found keys; a check of \`doctor\` failed; \`ledger verify\` found the ledger broken; \`copy\` found a table that differs |
| 2 | what was typed or configured is wrong, and nothing was done: \`usage_invalid\`, \`config_invalid\`, \`input_invalid\`; \`ledger verify\` could not read, whatever the code |
| 3 | something outside stands in the way: \`data_missing\` and the other \`data_…\` and \`pepper_…\` codes, \`signing_key_mismatch\`, \`database_…\`, \`redis_…\`, \`peer_missing\`, \`runtime_unsuitable\`, \`thread_missing\`, \`address_in_use\`, \`address_unavailable\`, \`model_unreadable\`, \`store_unavailable\`, \`ledger_unavailable\`, \`limiter_unavailable\`, \`output_failed\`, \`scan_incomplete\`; \`copy\` left damaged rows out |
| 4 | \`internal\`: a defect of Modelward |
| 130, 143 | ended by a second SIGINT or SIGTERM; after the first, \`serve\` answers what is under way and ends with 0 |
`
