import { type KeyWarning, withWarnings } from '../../keys/fields/key-warnings.ts'
import type { KeyRecord } from '../../keys/record/key-record.ts'
import { type KeyView, viewKey } from '../../keys/record/views.ts'
import { print, printJson } from '../terminal/output.ts'
import { type Column, formatFields } from '../terminal/table.ts'
import { tellWarnings } from './tell-warnings.ts'

/** Prints one key, without any secret. */
export async function printKey(
  record: KeyRecord,
  asJson: boolean,
  warnings: readonly KeyWarning[] = [],
): Promise<void> {
  const view = viewKey(record, Date.now())
  if (asJson) return printJson(withWarnings(view, warnings))
  await print(formatFields(keyFields(view)))
  tellWarnings(warnings)
}

function keyFields(view: KeyView): readonly (readonly [string, string])[] {
  return [
    ['id', view.id],
    ['name', view.name],
    ['owner', view.owner],
    ['environment', view.environment],
    ['status', view.status],
    ['scopes', list(view.scopes)],
    ['addresses', view.addresses.length === 0 ? 'any' : list(view.addresses)],
    ['limits', limitsOf(view)],
    ['metadata', JSON.stringify(view.metadata)],
    ['imported', view.imported ? 'yes' : 'no'],
    ['created', view.created_at],
    ['updated', view.updated_at],
    ['last used', view.last_used_at ?? 'never'],
    ['not before', view.not_before ?? '-'],
    ['expires', view.expires_at ?? 'never'],
    ['disabled', view.disabled_at === null ? '-' : `${view.disabled_at} by the ${view.disabled_by}`],
    ['revoked', view.revoked_at ?? '-'],
    ['reason', view.revoked_reason ?? '-'],
    ['secrets', list(view.secrets.map((secret) => `of ${secret.created_at}${endOf(secret.ends_at)}`))],
  ]
}

function endOf(endsAt: string | null): string {
  return endsAt === null ? '' : ` until ${endsAt}`
}

function limitsOf({ limits }: KeyView): string {
  return limits === null ? 'default' : list(limits)
}

export function list(items: readonly string[]): string {
  return items.length === 0 ? 'none' : items.join(', ')
}

/** Keys in a table. */
export const keyColumns: readonly Column<KeyView>[] = [
  { title: 'ID', cell: (view) => view.id },
  { title: 'NAME', cell: (view) => view.name, mayCut: true },
  { title: 'OWNER', cell: (view) => view.owner, mayCut: true },
  { title: 'ENV', cell: (view) => view.environment },
  { title: 'STATUS', cell: (view) => view.status },
  { title: 'SCOPES', cell: (view) => list(view.scopes), mayCut: true },
  { title: 'LIMITS', cell: limitsOf, mayCut: true },
  { title: 'LAST USED', cell: (view) => view.last_used_at?.slice(0, 16) ?? 'never', mayCut: true },
  { title: 'EXPIRES', cell: (view) => view.expires_at?.slice(0, 16) ?? 'never', mayCut: true },
]
