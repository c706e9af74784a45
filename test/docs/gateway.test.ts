import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { formatGatewayPage } from '../../scripts/gateway-page.ts'
import { presets } from '../../src/gateway/presets/presets.ts'

const page = readFileSync('docs/reference/gateway.md', 'utf8')

test('docs/reference/gateway.md is the presets, the dialects and the defaults as they are', () => {
  expect(page).toBe(formatGatewayPage())
})

test('it names every route that a preset opens, and every field and path that it closes', () => {
  for (const { name, routes, management, closedFields } of Object.values(presets)) {
    const section = page.split(`\n### \`${name}\`\n`)[1]?.split(/\n##/)[0] ?? ''
    for (const { method, path } of routes) expect(section).toContain(`\`${method} ${path}\``)
    for (const pattern of management) expect(section).toContain(`\`${pattern}\``)
    for (const { field } of closedFields) expect(section).toContain(`\`${field}`)
  }
})
