import { type Command, Option } from 'commander'
import { scopesOfRules } from '../../config/forward-auth/forward-auth.ts'
import { withoutUndefined } from '../../core/without-undefined.ts'
import type { KeyFields } from '../../keys/fields/key-fields.ts'
import { warnOfKey } from '../../keys/fields/key-warnings.ts'
import { CliError } from '../cli-error.ts'
import type { CommonOptions } from '../common-options.ts'
import { parseExpiry, parseWhen } from '../terminal/parse-when.ts'
import { defineKeyCommand } from './key-command.ts'
import { addressOption, parseMetadata, scopeOption } from './key-options.ts'
import { limitOption, readKeyLimits, repeatingLimits } from './limit-option.ts'

interface UpdateOptions extends CommonOptions {
  readonly name?: string
  readonly owner?: string
  readonly scope?: readonly string[]
  readonly address?: readonly string[]
  readonly clearAddresses?: true
  readonly limit?: readonly string[]
  /** False where `--no-expiry` is given, under Commander's name for it. */
  readonly expires?: string
  readonly expiry?: false
  readonly notBefore?: string | false
  readonly metadata?: string
}

export function defineKeysUpdate(command: Command): void {
  command
    .option('--name <name>', 'What people call the key')
    .option('--owner <owner>', 'Whose key it is')
    .addOption(scopeOption('What the key may do, in the place of all it may do now'))
    .addOption(addressOption().conflicts('clearAddresses'))
    .option('--clear-addresses', 'Let the key be used from anywhere')
    .addOption(
      limitOption(
        'How much it may use, in the place of its limits now; `none`: without limits, `default`: the configured limits',
      ),
    )
    .addOption(
      new Option('--expires <when>', 'When it ends: a duration from now, or a time').conflicts('expiry'),
    )
    .option('--no-expiry', 'Let it never end')
    .option('--not-before <when>', 'When it begins to work: a duration from now, or a time')
    .option('--no-not-before', 'Let it work at once')
    .option('--metadata <json>', 'A JSON object, in place of the one the key has')
  defineKeyCommand<UpdateOptions>(
    command,
    async (keys, id, options, { forwardAuth }) => {
      const changes = readChanges(options, Date.now())
      const record = await repeatingLimits(options.limit, () => keys.update(id, changes))
      return { record, warnings: warnOfKey(record, { askedScopes: scopesOfRules(forwardAuth) }) }
    },
    'keys update 7Qm2xT0bKc9Z --name "Search page" --expires 90d',
    'keys update 7Qm2xT0bKc9Z --scope predict --scope metrics --clear-addresses',
    'keys update 7Qm2xT0bKc9Z --limit 10/min --limit "5 concurrent"',
    'keys update 7Qm2xT0bKc9Z --limit default',
  )
}

function readChanges(options: UpdateOptions, now: number): Partial<KeyFields> {
  const changes = withoutUndefined({
    name: options.name,
    owner: options.owner,
    scopes: options.scope,
    addresses: options.address ?? (options.clearAddresses === true ? [] : undefined),
    limits: options.limit && readKeyLimits(options.limit),
    expiresAt: readExpiry(options, now),
    notBefore: readNotBefore(options.notBefore, now),
    metadata: options.metadata === undefined ? undefined : parseMetadata(options.metadata),
  })
  if (Object.keys(changes).length === 0)
    throw new CliError('usage_invalid', 'nothing to change: give at least one of the flags in --help')
  return changes
}

function readExpiry({ expires, expiry }: UpdateOptions, now: number): Date | null | undefined {
  if (expires !== undefined) return parseExpiry(expires, now)
  return expiry === false ? null : undefined
}

function readNotBefore(notBefore: string | false | undefined, now: number): Date | null | undefined {
  if (notBefore === undefined) return undefined
  return notBefore === false ? null : parseWhen('--not-before', notBefore, now)
}
