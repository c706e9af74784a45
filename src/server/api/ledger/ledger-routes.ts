import type { FastifyInstance } from 'fastify'
import { Fault } from '../../../core/fault.ts'
import { ledgerReadScope, usageReadScope } from '../../../core/scope.ts'
import type { LedgerReader } from '../../../ledger/ledger.ts'
import { viewLedgerRecord } from '../../../ledger/query/record-view.ts'
import { formatUsageCsv } from '../../../ledger/query/usage-csv.ts'
import { keyIdsOf, viewUsage } from '../../../ledger/query/usage-view.ts'
import type { Ward } from '../../../ward/ward.ts'
import { adminOr } from '../admin-or.ts'
import { ledgerRouteSchemas as schemas } from './describe-ledger-routes.ts'
import { type LedgerRequest, readLedgerQuery, readUsageQuery, type UsageRequest } from './ledger-schemas.ts'

/** The admin API over what was recorded. */
export function addLedgerRoutes(app: FastifyInstance, ward: Ward): void {
  app.get<{ Querystring: LedgerRequest }>(
    '/v1/ledger',
    { config: { guard: adminOr(ledgerReadScope) }, schema: schemas.query },
    async ({ query }) => {
      const { records, next } = await ledgerOf(ward).query(readLedgerQuery(query, ward.clock()))
      return { records: records.map(viewLedgerRecord), next: next ?? null }
    },
  )
  app.get<{ Querystring: UsageRequest }>(
    '/v1/usage',
    { config: { guard: adminOr(usageReadScope) }, schema: schemas.usage },
    async ({ query }, reply) => {
      const rows = await ledgerOf(ward).usage(readUsageQuery(query, ward.clock()))
      const names = await ward.keys.namesOf(keyIdsOf(rows))
      const views = rows.map((row) => viewUsage(row, names))
      if (query.format !== 'csv') return { usage: views }
      return reply.type('text/csv; charset=utf-8').send(formatUsageCsv(views))
    },
  )
}

function ledgerOf({ ledger }: Ward): LedgerReader {
  if (ledger === undefined) throw new Fault('ledger_unavailable', 'this ward has no ledger')
  return ledger
}
