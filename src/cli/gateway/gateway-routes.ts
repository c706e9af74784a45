import type { Command } from 'commander'
import { anyModelScope, defaultScope } from '../../core/scope.ts'
import type { GatewaySettings } from '../../gateway/gateway-settings.ts'
import { presets } from '../../gateway/presets/presets.ts'
import { createGatewayRoutes, type GatewayRoutes } from '../../gateway/routes/gateway-routes.ts'
import { closedFieldsOf } from '../../gateway/routes/open-route.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from '../common-options.ts'
import { addExamples } from '../keys/key-options.ts'
import { addSettingOptions, readSettingFlags } from '../setting-options.ts'
import { print, printJson, tell } from '../terminal/output.ts'
import { type Column, formatTable } from '../terminal/table.ts'
import { terminalWidth } from '../terminal/terminal.ts'

export function defineGatewayRoutes(command: Command): void {
  command.action(async (options: CommonOptions & Readonly<Record<string, unknown>>) => {
    const { gateway } = loadCommandConfig(options, readSettingFlags(options))
    const upstreams = gateway?.upstreams ?? []
    const routes = createGatewayRoutes(upstreams)
    const opened = routes.open.map(viewRoute)
    const closed = upstreams.map(viewClosed)
    if (options.json === true) {
      await printJson({ routes: opened, closed, hidden: routes.hidden })
      return
    }
    if (gateway === undefined) {
      tell('No upstream is configured, so no route of one is open.')
      return
    }
    await print(formatTable(opened, columns, terminalWidth()))
    for (const { upstream, preset, management, routes: shut, fields } of closed) {
      await print(`\nClosed at ${upstream} (${preset}), beside every path that is not above:\n`)
      await print(`  management: ${management.join(' ') || 'unknown'}\n`)
      if (shut.length > 0) await print(`  routes: ${shut.join(', ')}\n`)
      await print(`  fields: ${fields.map(({ field }) => field).join(' ') || 'unknown'}\n`)
    }
    for (const { method, path, upstream } of routes.hidden)
      await print(
        `\n${method} ${path} of ${upstream} is not open: the server has it itself. Give a prefix.\n`,
      )
  })
  addCommonOptions(command)
  addSettingOptions(command)
  addExamples(
    command,
    'gateway routes',
    'gateway routes --upstream http://127.0.0.1:11434 --preset ollama --json',
  )
}

type RouteView = ReturnType<typeof viewRoute>

const columns: readonly Column<RouteView>[] = [
  { title: 'ROUTE', cell: ({ method, path }) => `${method} ${path}` },
  { title: 'SCOPE', cell: ({ scope }) => scope },
  { title: 'MEASURES', cell: ({ measures }) => measures.join(', ') },
  { title: 'UPSTREAMS', cell: ({ upstreams }) => upstreams.join(', '), mayCut: true },
]

function viewRoute({
  method,
  path,
  scope,
  asks,
  form,
  dialect,
  answeredBy,
  servers,
}: GatewayRoutes['open'][number]) {
  const ofModel = asks === 'its model' ? `${defaultScope}:MODEL` : anyModelScope
  return {
    method,
    path,
    scope: scope ?? `${defaultScope} or ${ofModel}`,
    measures: form === undefined ? ['requests'] : ['requests', 'tokens'],
    dialect: dialect ?? null,
    answered_by: answeredBy === 'upstream' ? 'upstream' : 'gateway',
    upstreams: servers.map(({ upstream }) => upstream.name),
  }
}

function viewClosed({ name, preset, prefix = '', close, allowFields }: GatewaySettings['upstreams'][number]) {
  return {
    upstream: name,
    preset,
    management: presets[preset].management.map((pattern) => prefix + pattern),
    routes: close.map(({ method, path }) => `${method} ${prefix}${path}`),
    fields: closedFieldsOf(presets[preset], allowFields),
    media_by_url: presets[preset].refusesMediaByUrl,
  }
}
