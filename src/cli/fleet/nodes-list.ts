import type { Command } from 'commander'
import { type NodeView, viewNode } from '../../storage/view-node.ts'
import { inspectStorage } from '../../ward/open-storage.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig, placeOf } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'

export function defineNodesList(command: Command): void {
  command.action(async (options: CommonOptions) => {
    const storage = await inspectStorage(placeOf(loadCommandConfig(options)))
    const nodes = (await storage.nodes()).map(viewNode)
    if (options.json === true) await printJson({ nodes })
    else if (nodes.length === 0) tell('No node was seen within the last day.')
    else await print(formatTable(nodes, columns, terminalWidth()))
  })
  addCommonOptions(command)
  addExamples(command, 'nodes list', 'nodes list --json')
}

const columns: readonly Column<NodeView>[] = [
  { title: 'NODE', cell: ({ id }) => id },
  { title: 'MACHINE', cell: ({ name }) => name, mayCut: true },
  { title: 'VERSION', cell: ({ version }) => version },
  { title: 'STARTED', cell: (node) => node.started_at.slice(0, 19) },
  { title: 'SEEN', cell: (node) => node.seen_at.slice(0, 19) },
  { title: 'LIVE', cell: ({ live }) => (live ? 'yes' : 'no') },
]
