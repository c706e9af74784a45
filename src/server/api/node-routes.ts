import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { adminScope } from '../../core/scope.ts'
import type { Demand } from '../../guard/demand.ts'
import type { StorageNodes } from '../../storage/storage.ts'
import { type NodeView, viewNode } from '../../storage/view-node.ts'
import type { RouteSchema } from '../docs/route-schema.ts'

const nodeView: z.ZodType<NodeView> = z.object({
  id: z.uuid(),
  name: z.string().describe('Of its machine.'),
  version: z.string().describe('Of Modelward.'),
  schema_known: z.int().describe('The newest version of the database’s schema that it knows.'),
  started_at: z.iso.datetime(),
  seen_at: z.iso.datetime(),
  live: z.boolean().describe('Whether it was seen within ten seconds.'),
})

const schema: RouteSchema & { readonly querystring: z.ZodType } = {
  operationId: 'listNodes',
  summary: 'List the nodes of a fleet',
  description:
    'The servers that are one deployment over one database, those that ended without a word within the last day among them. Empty with a data folder, where one server is all.',
  tags: ['nodes'],
  querystring: z.strictObject({}),
  describes: {
    answers: {
      200: {
        description: 'The nodes, the live ones first.',
        schema: z.object({ nodes: z.array(nodeView) }),
      },
    },
  },
}

/** The nodes of a fleet, for administrators. */
export function addNodeRoutes(app: FastifyInstance, nodes: StorageNodes | undefined): void {
  const guard: Demand = { scope: adminScope, session: 'csrf', billable: false }
  app.get('/v1/nodes', { schema, config: { guard } }, async () => ({
    nodes: ((await nodes?.list()) ?? []).map(viewNode),
  }))
}
