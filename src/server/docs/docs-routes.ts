import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { Refusal } from '../../core/refusal.ts'
import type { Demand, GuardSetting } from '../../guard/demand.ts'
import { sendPage } from '../http/answers.ts'

/**
 * What Swagger UI needs of its package, and nothing else of it: served from here, so that the page
 * works offline.
 */
const assetTypes: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'index.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

/**
 * Swagger UI styles its elements by attribute, and draws its icons from `data:`; it runs no script
 * but these files.
 */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; form-action 'self'"

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Modelward API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/index.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`

const startScript = `window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  persistAuthorization: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
})
`

/** `/docs`, `/openapi.json`, and `/`, which leads there: for every key, or open to all. */
export function addDocsRoutes(app: FastifyInstance, openTo: 'guarded' | 'open'): void {
  const demand: Demand = { anyKey: true, session: 'read', billable: false }
  const guard: GuardSetting = openTo === 'open' ? 'public' : demand
  const config = { guard }
  app.get('/', { config }, async (_request, reply) => reply.code(303).header('location', '/docs').send())
  app.get('/openapi.json', { config }, async () => app.swagger())
  for (const url of ['/docs', '/docs/'])
    app.get(url, { config }, async (_request, reply) => sendPage(reply, page, policy))
  app.get('/docs/start.js', { config }, async (_request, reply) =>
    reply.type('text/javascript; charset=utf-8').send(startScript),
  )
  app.get<{ Params: { readonly file: string } }>('/docs/:file', { config }, async ({ params }, reply) => {
    const type = Object.hasOwn(assetTypes, params.file) ? assetTypes[params.file] : undefined
    if (type === undefined) throw new Refusal('not_found')
    return reply.type(type).send(await readFile(join(assetFolder(), params.file)))
  })
}

function assetFolder(): string {
  const packageFile = createRequire(import.meta.url).resolve('@fastify/swagger-ui/package.json')
  return join(dirname(packageFile), 'static')
}
