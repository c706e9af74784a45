import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { cliFile } from '../e2e/run-cli.ts'

/** Milliseconds that the sources name: `closeGraceMs = 20_000`, `keepAliveTimeout: 72_000`. */
export function readSourceMs(file: string, name: string): number {
  const [, digits = ''] = new RegExp(`\\b${name}(?: =|:) ([\\d_]+)`).exec(readFileSync(file, 'utf8')) ?? []
  return Number.parseInt(digits.replaceAll('_', ''), 10)
}

/** What a server takes at most to close, in milliseconds, beyond its delay and its grace. */
export const closeMs: number = readSourceMs('src/cli/run-server.ts', 'closeGraceMs')

export interface ComposeService {
  readonly image: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly string[]
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly networks: readonly string[] | Readonly<Record<string, { readonly ipv4_address: string }>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly stop_grace_period?: string
  readonly mem_limit?: string
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly read_only?: boolean
}

export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly networks: Readonly<
    Record<string, { readonly ipam: { readonly config: readonly { readonly subnet: string }[] } }>
  >
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

export function readCompose(): Compose {
  return parse(readFileSync('compose.yaml', 'utf8')) as Compose
}

export interface Container {
  readonly name: string
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly resources: { readonly limits: Readonly<Record<string, string>> }
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
  readonly securityContext: object
}

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  /** Of a Secret. */
  readonly stringData?: Readonly<Record<string, string>>
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own, checked by its types
  readonly spec: any
}

/** Every manifest under `deploy/kubernetes`, with its file; kustomizations are none. */
export function readManifests(): readonly (readonly [file: string, manifest: Manifest])[] {
  const files = globSync('deploy/kubernetes/**/*.yaml', { exclude: ['**/kustomization.yaml'] }).sort()
  return files.flatMap((file) =>
    parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
      if (document.errors.length > 0) throw new Error(`${file}: ${String(document.errors[0])}`)
      return [file, document.toJS() as Manifest] as const
    }),
  )
}

/** The manifest of a kind, and of a name where there are several. */
export function manifestOf(kind: string, name?: string): Manifest {
  const [found, second] = readManifests().filter(
    ([, manifest]) => manifest.kind === kind && (name === undefined || manifest.metadata.name === name),
  )
  if (found === undefined || second !== undefined) throw new Error(`expected one ${kind}`)
  return found[1]
}

export function containerOf(manifest: Manifest): Container {
  return manifest.spec.template.spec.containers[0] as Container
}

/** The variables of a container. */
export function environmentOf({ env }: Container): Readonly<Record<string, string>> {
  return Object.fromEntries(env.map(({ name, value }) => [name, value]))
}

/** A folder in which `deploy/create-secrets.sh` has drawn `secrets`. */
export function drawSecrets(): Disposable & { readonly path: string; readonly again: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'modelward-deploy-'))
  const script = resolve('deploy/create-secrets.sh')
  const draw = (): void => {
    const env = { ...process.env, MODELWARD: `${process.execPath} ${cliFile}` }
    execFileSync('/bin/sh', [script], { cwd: path, env, stdio: 'pipe' })
  }
  draw()
  return {
    path,
    again: draw,
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}
