import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

/** A panel of the dashboard; a row has no targets. */
export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly datasource?: { readonly type: string; readonly uid: string }
  readonly targets?: readonly {
    readonly refId: string
    readonly expr: string
    readonly datasource: { readonly type: string; readonly uid: string }
  }[]
}

export interface Dashboard {
  readonly id?: number
  readonly uid: string
  readonly title: string
  readonly schemaVersion: number
  readonly templating: {
    readonly list: readonly {
      readonly name: string
      readonly type: string
      readonly query: unknown
      readonly definition?: string
    }[]
  }
  readonly panels: readonly Panel[]
}

export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync('deploy/grafana/modelward.json', 'utf8')) as Dashboard
}

export function readRules(): readonly AlertRule[] {
  const { groups } = parse(readFileSync('deploy/prometheus/rules.yml', 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly AlertRule[] }[]
  }
  return groups.flatMap(({ rules }) => rules)
}

export function readGuide(): string {
  return readFileSync('docs/guides/observe.md', 'utf8')
}

/** A metric in an expression of PromQL, with the labels that it is asked by. */
export interface Selector {
  readonly name: string
  readonly labels: readonly string[]
}

/** The series that an expression selects. */
export function selectorsIn(expr: string): readonly Selector[] {
  const selectors = expr.matchAll(/\b((?:modelward|process|nodejs)_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?/g)
  return [...selectors].map(([, name = '', matchers = '']) => ({
    name,
    labels: [...matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  }))
}

/** The labels that an expression adds up by. */
export function groupingsIn(expr: string): readonly string[] {
  return [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, labels = '']) =>
    labels.split(',').map((label) => label.trim()),
  )
}
