import { type Command, Option } from 'commander'
import { scopesOfRules } from '../../config/forward-auth/forward-auth.ts'
import type { LoadedConfig } from '../../config/load-config.ts'
import { withoutUndefined } from '../../core/without-undefined.ts'
import { warnOfKey } from '../../keys/fields/key-warnings.ts'
import type { NewKey } from '../../keys/fields/new-key.ts'
import { usageError } from '../cli-error.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { parseExpiry, parseWhen } from '../terminal/parse-when.ts'
import { checkNewKey } from './check-new-key.ts'
import {
  addExamples,
  addressOption,
  idempotencyOf,
  idempotencyOption,
  parseMetadata,
  scopeOption,
} from './key-options.ts'
import { limitOption, readKeyLimits, repeatingLimits } from './limit-option.ts'
import { withKeys } from './open-keys.ts'
import { printIssuedKey } from './print-issued-key.ts'

interface CreateOptions extends CommonOptions {
  readonly name: string
  readonly owner?: string
  readonly scope?: readonly string[]
  readonly expires?: string
  readonly notBefore?: string
  readonly address?: readonly string[]
  readonly limit?: readonly string[]
  readonly metadata?: string
  readonly env?: 'live' | 'test'
  readonly idempotencyKey?: string
}

export function defineKeysCreate(command: Command): void {
  command
    .requiredOption('--name <name>', 'What people call the key')
    .option('--owner <owner>', 'Whose key it is, in your words (default: the key itself)')
    .addOption(scopeOption('What the key may do (default: predict); `admin` alone manages keys'))
    .option('--expires <when>', 'When it ends: a duration such as 30d, or a time (default: never)')
    .option('--not-before <when>', 'When it begins to work: a duration or a time (default: now)')
    .addOption(addressOption())
    .addOption(
      limitOption(
        'How much it may use, such as 10/min; `none`: without limits (default: the configured limits)',
      ),
    )
    .option('--metadata <json>', 'A JSON object to keep with the key, at most 4096 bytes')
    .addOption(
      new Option('--env <environment>', 'Which servers it works on (default: the configured one)').choices([
        'live',
        'test',
      ]),
    )
    .addOption(idempotencyOption())
    .action(createKey)
  addCommonOptions(command)
  addExamples(
    command,
    'keys create --name "Search page"',
    'keys create --name ci --env test --expires 30d --json',
    'keys create --name Acme --owner acme --limit 10/min --limit "1000/calendar day"',
    'keys create --name ops --scope admin --address 10.0.0.0/8',
  )
}

async function createKey(options: CreateOptions): Promise<void> {
  const loaded = loadCommandConfig(options)
  const now = Date.now()
  const key = readNewKey(options, loaded, now)
  await repeatingLimits(options.limit, () => checkNewKey(key, now))
  const { json, data, config, idempotencyKey, ...request } = options
  const idempotency = idempotencyOf(idempotencyKey, ['keys create', request, key.environment])
  const issued = await withKeys(loaded, true, (ward) => ward.keys.create(key, idempotency))
  const { record } = issued
  await printIssuedKey(
    issued,
    json === true,
    `Key ${record.id} (${record.name}) is made. This is the only time it is shown: store it now.`,
    warnOfKey(record, { askedScopes: scopesOfRules(loaded.config.forwardAuth) }),
  )
}

function readNewKey(options: CreateOptions, { config }: LoadedConfig, now: number): NewKey {
  const expiresAt = options.expires === undefined ? null : parseExpiry(options.expires, now)
  if (expiresAt !== null && expiresAt.getTime() <= now)
    throw usageError('--expires', 'expected a time to come: the key would never work')
  return {
    name: options.name,
    environment: options.env ?? config.environment,
    expiresAt,
    notBefore: options.notBefore === undefined ? null : parseWhen('--not-before', options.notBefore, now),
    ...withoutUndefined({
      owner: options.owner,
      scopes: options.scope,
      addresses: options.address,
      limits: options.limit && readKeyLimits(options.limit),
      metadata: options.metadata === undefined ? undefined : parseMetadata(options.metadata),
    }),
  }
}
