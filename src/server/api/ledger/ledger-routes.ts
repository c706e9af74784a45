import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Fault } from '../../../core/fault.ts'
import { adminScope, ledgerReadScope, usageOwnerScope, usageReadScope } from '../../../core/scope.ts'
import { type LedgerRecordView, viewLedgerRecord } from '../../../ledger/query/record-view.ts'
import { formatUsageCsv } from '../../../ledger/query/usage-csv.ts'
import { keyIdsOf, viewUsage } from '../../../ledger/query/usage-view.ts'
import type { WardLedger } from '../../../ledger/query/ward-ledger.ts'
import type { Ward } from '../../../ward/ward.ts'
import { adminOr } from '../admin-or.ts'
import { ledgerRouteSchemas as schemas } from './describe-ledger-routes.ts'
import {
  type LedgerPageView,
  type LedgerRequest,
  readLedgerQuery,
  readUsageQuery,
  type UsageRequest,
} from './ledger-schemas.ts'

/** The admin API over what was recorded, and an owner's part of it. */
export function addLedgerRoutes(app: FastifyInstance, ward: Ward): void {
  app.get<{ Querystring: LedgerRequest }>(
    '/v1/ledger',
    { config: { guard: adminOr(ledgerReadScope, usageOwnerScope) }, schema: schemas.query },
    async ({ query: asked, caller }) => {
      const owner = narrowedTo(caller, ledgerReadScope)
      if (owner !== undefined) return pageOfOwner(ward, owner, asked)
      const { records, next } = await ledgerOf(ward).query(readLedgerQuery(asked, ward.clock()))
      return { records: records.map(viewLedgerRecord), next: next ?? null }
    },
  )
  app.get<{ Querystring: UsageRequest }>(
    '/v1/usage',
    { config: { guard: adminOr(usageReadScope, usageOwnerScope) }, schema: schemas.usage },
    async ({ query: asked, caller }, reply) => {
      const query = readUsageQuery(asked, ward.clock())
      const owner = narrowedTo(caller, usageReadScope)
      const rows = isOfAnother(query.owner, owner)
        ? []
        : await ledgerOf(ward).usage({ ...query, owner: owner ?? query.owner })
      const names = await ward.keys.namesOf(keyIdsOf(rows), owner)
      const views = rows.map((row) => viewUsage(row, names))
      if (asked.format !== 'csv') return { usage: views }
      return reply.type('text/csv; charset=utf-8').send(formatUsageCsv(views))
    },
  )
}

/** Records of one owner, without what tells of others. */
async function pageOfOwner(ward: Ward, owner: string, asked: LedgerRequest): Promise<LedgerPageView> {
  const ledger = ledgerOf(ward)
  const positions = ledger.positionsOf(owner)
  const query = readLedgerQuery(asked, ward.clock(), positions)
  if (isOfAnother(query.owner, owner)) return { records: [], next: null }
  const { records, next } = await ledger.query({ ...query, owner })
  const views = await hideOthers(ward, owner, records.map(viewLedgerRecord))
  return {
    records: views.map((view) => ({ ...view, position: positions.hide(view.position), seq: null })),
    next: next === undefined ? null : positions.hide(next),
  }
}

/** The owner whose records alone a caller may see; undefined: everyone's. */
function narrowedTo({ scopes, owner }: FastifyRequest['caller'], wide: string): string | undefined {
  return scopes.some((scope) => scope === adminScope || scope === wide) ? undefined : owner
}

/** Whether another owner was asked for: there is nothing of them, as of one that is not known. */
function isOfAnother(asked: string | undefined, owner: string | undefined): boolean {
  return asked !== undefined && owner !== undefined && asked !== owner
}

/** Details that name who made a change, or asked for a verdict: an operator, mostly. */
const authorDetails = ['by', 'verifier'] as const

/** The detail that counts the changes of all owners. */
const changeCount = 'change'

/** The records without keys that are another owner's, in name or number. */
async function hideOthers(
  ward: Ward,
  owner: string,
  views: readonly LedgerRecordView[],
): Promise<readonly LedgerRecordView[]> {
  const authors = views.flatMap(({ detail }) => authorDetails.flatMap((name) => detail?.[name] ?? []))
  const own = await ward.keys.namesOf(new Set(authors.map(String)), owner)
  const isHidden = (value: unknown): boolean => value !== undefined && !own.has(String(value))
  return views.map((view) => {
    const { detail } = view
    const hidden: string[] = authorDetails.filter((name) => isHidden(detail?.[name]))
    if (detail?.[changeCount] !== undefined) hidden.push(changeCount)
    if (hidden.length === 0) return view
    return { ...view, detail: { ...detail, ...Object.fromEntries(hidden.map((name) => [name, null])) } }
  })
}

function ledgerOf({ ledger }: Ward): WardLedger {
  if (ledger === undefined) throw new Fault('ledger_unavailable', 'this ward has no ledger')
  return ledger
}
