import type { Command } from 'commander'
import type { LoadedConfig } from '../../config/load-config.ts'
import { type KeyStatus, keyStatusAt } from '../../keys/record/key-status.ts'
import type { LimitView } from '../../limits/limit-view.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { checkKey, findKey, keyArgument } from '../keys/find-key.ts'
import { addExamples } from '../keys/key-options.ts'
import { withKeys } from '../keys/open-keys.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'
import { askServerOf } from './ask-server.ts'
import { limitColumns, whenPasses } from './limit-columns.ts'

/** Why a request of a key would be refused now, and when it would pass. */
interface Explanation {
  readonly id: string
  readonly status: KeyStatus
  readonly would_pass: boolean
  /**
   * Seconds until it would pass if nothing else came; 0: now. Null: waiting does not help, or
   * another request has to end.
   */
  readonly passes_in: number | null
  /** The limits that would refuse it. */
  readonly refused_by: readonly string[]
  /**
   * Who counts: the server on the folder, or a fleet; without a server, only stored usage is known.
   */
  readonly counted_by: 'server' | 'nobody' | 'fleet'
  readonly limits: readonly LimitView[]
}

export function defineLimitsExplain(command: Command): void {
  command
    .argument('<key>', keyArgument)
    .addHelpText(
      'after',
      '\nShows the limits that every request of the key meets: its own or the default, its owner’s, and everyone’s. A route of\n' +
        'your own app may have more. Asks the server that runs on the data folder; where none does, what is on the disk. In a fleet, asks Redis.',
    )
    .action(async (text: string, options: CommonOptions) => {
      const explanation = await explain(loadCommandConfig(options), checkKey(text))
      if (options.json === true) await printJson(explanation)
      else await printExplanation(explanation)
    })
  addCommonOptions(command)
  addExamples(command, 'limits explain 7Qm2xT0bKc9Z', 'limits explain 7Qm2xT0bKc9Z --json')
}

async function explain(loaded: LoadedConfig, text: string): Promise<Explanation> {
  const { id } = await withKeys(loaded, false, ({ keys }) => findKey(keys, text))
  const answer = await askServerOf(loaded, `/limits/${id}`)
  // Without a server this command reads the stored usage, and no server may count meanwhile.
  const stored = answer === undefined ? ({ storeUsage: 'if_free' } as const) : {}
  return withKeys(
    loaded,
    false,
    async (ward) => {
      const status = keyStatusAt(await ward.keys.get(id), Date.now())
      const limits =
        answer === undefined
          ? await ward.limits.status(id)
          : (answer as { readonly limits: readonly LimitView[] }).limits
      const alone = loaded.secrets.databaseUrl === undefined ? 'nobody' : 'fleet'
      return explanationOf(id, status, limits, answer === undefined ? alone : 'server')
    },
    stored,
  )
}

function explanationOf(
  id: string,
  status: KeyStatus,
  limits: readonly LimitView[],
  countedBy: Explanation['counted_by'],
): Explanation {
  const refusing = limits.filter(({ passes_in: seconds }) => seconds !== 0)
  const isActive = status === 'active'
  return {
    id,
    status,
    would_pass: isActive && refusing.length === 0,
    passes_in: isActive ? latest(refusing.map(({ passes_in: seconds }) => seconds)) : null,
    refused_by: refusing.map(({ limit, of }) => `${of}: ${limit}`),
    counted_by: countedBy,
    limits,
  }
}

/** The limit that passes last decides; null if waiting does not help for one of them. */
function latest(seconds: readonly (number | null)[]): number | null {
  return seconds.reduce<number | null>(
    (most, one) => (most === null || one === null ? null : Math.max(most, one)),
    0,
  )
}

async function printExplanation(explanation: Explanation): Promise<void> {
  await print(formatTable(explanation.limits, limitColumns, terminalWidth()))
  tell(sentenceOf(explanation))
  if (explanation.counted_by === 'nobody')
    tell('No server runs on this data folder: only windows of an hour and more and quotas are known.')
}

function sentenceOf({ status, would_pass, passes_in, refused_by, limits }: Explanation): string {
  if (status !== 'active') return `A request would be refused: the key is ${status.replaceAll('_', ' ')}.`
  if (limits.length === 0) return 'Nothing limits this key.'
  if (would_pass) return 'A request would pass now.'
  return `A request would be refused by ${refused_by.join(' and ')}; it would pass ${whenPasses(passes_in)}.`
}
