import type { Command } from 'commander'
import type { UpstreamView } from '../../gateway/upstreams/view-upstream.ts'
import { CliError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { askServerOf } from '../limits/ask-server.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'

export function defineUpstreamsList(command: Command): void {
  command.action(async (options: CommonOptions) => {
    const answer = await askServerOf(loadCommandConfig(options), '/upstreams')
    if (answer === undefined)
      throw new CliError(
        'server_failed',
        'no server of this data folder answers; GET /v1/upstreams asks a server with an admin key',
      )
    const { upstreams } = answer as { readonly upstreams: readonly UpstreamView[] }
    if (options.json === true) await printJson({ upstreams })
    else if (upstreams.length === 0) tell('The server has no upstream.')
    else await print(formatTable(upstreams, columns, terminalWidth()))
  })
  addCommonOptions(command)
  addExamples(command, 'upstreams list', 'upstreams list --json')
}

const columns: readonly Column<UpstreamView>[] = [
  { title: 'UPSTREAM', cell: ({ name }) => name },
  { title: 'PRESET', cell: ({ preset }) => preset },
  { title: 'URL', cell: ({ url }) => url },
  { title: 'STATE', cell: stateOf },
  { title: 'OPEN CALLS', cell: ({ calls_open: open }) => `${open}` },
  { title: 'MODELS', cell: ({ models }) => models?.join(', ') ?? 'unknown', mayCut: true },
]

/** A breaker's own words mean little to an operator: `closed` is what lets calls through. */
function stateOf({ state, tried_in: seconds, failures }: UpstreamView): string {
  if (state === 'open') return `left alone, tried again in ${seconds} s`
  if (state === 'trying') return 'being tried'
  return failures === 0 ? 'in use' : `in use, ${failures} failures in a row`
}
