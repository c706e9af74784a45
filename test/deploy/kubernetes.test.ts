import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { commandIndex } from '../../src/cli/command-index.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { cliFile } from '../e2e/run-cli.ts'
import {
  type Container,
  closeMs,
  containerOf,
  environmentOf,
  type Manifest,
  manifestOf,
  readManifests,
} from './deployed-files.ts'
import { commandOf, lastOf, readImageEnvironment } from './dockerfile.ts'

const manifests = readManifests()
const deployment = manifestOf('Deployment')
const job = manifestOf('Job')
const pods = [deployment, job]
const node = containerOf(deployment)
const folder = mkdtempSync(join(tmpdir(), 'modelward-kubernetes-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Whether a selector finds the pods of a manifest. */
function selects(labels: Readonly<Record<string, string>>, { spec }: Manifest): boolean {
  return Object.entries(labels).every(([name, value]) => spec.template.metadata.labels[name] === value)
}

/**
 * What TypeScript says of manifests as literals of their types: also of members that no type has.
 */
function typeCheck(typed: readonly (readonly [file: string, manifest: Manifest])[]): string {
  const lines = typed.flatMap(([, manifest], index) => [
    `import type { I${manifest.kind} as Kind${index} } from 'kubernetes-models/${manifest.apiVersion}'`,
    `export const manifest${index}: Kind${index} = ${JSON.stringify(manifest)}`,
  ])
  const own = mkdtempSync(join(folder, 'typed-'))
  symlinkSync(resolve('node_modules'), join(own, 'node_modules'))
  writeFileSync(join(own, 'manifests.ts'), lines.join('\n'))
  const args = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--types',
    '',
    'manifests.ts',
  ]
  return spawnSync(resolve('node_modules/.bin/tsc'), args, { cwd: own, encoding: 'utf8' }).stdout
}

describe('deploy/kubernetes', () => {
  test('has what a deployment needs', () => {
    expect(manifests.map(([file, { kind }]) => `${basename(file)} ${kind}`).sort()).toEqual([
      'deployment.yaml Deployment',
      'job.yaml Job',
      'network-policy.yaml NetworkPolicy',
      'pod-disruption-budget.yaml PodDisruptionBudget',
      'secret.example.yaml Secret',
      'secret.example.yaml Secret',
      'service.yaml Service',
    ])
  })

  test.each(manifests.map(([file, manifest]) => [file, manifest.kind, manifest] as const))(
    '%s: its %s passes the validation of Kubernetes',
    async (_file, kind, manifest) => {
      const models = (await import(/* @vite-ignore */ `kubernetes-models/${manifest.apiVersion}`)) as Record<
        string,
        new (
          data: Manifest,
        ) => { validate: () => void }
      >
      const Model = models[kind]
      if (Model === undefined) throw new Error(`there is no ${kind} of ${manifest.apiVersion}`)
      expect(() => new Model(manifest).validate()).not.toThrow()
    },
  )

  test('has no member that Kubernetes does not know, which it would leave out in silence', () => {
    expect(typeCheck(manifests)).toBe('')
    const misspelt = JSON.parse(
      JSON.stringify(deployment).replace('readOnlyRoot', 'readOnlyroot'),
    ) as Manifest
    expect(typeCheck([['', misspelt]])).toMatch(/readOnlyrootFilesystem/)
  })

  test.each(['deploy/kubernetes', 'deploy/kubernetes/migrate'])('%s lists what is in it', (base) => {
    const { resources, images } = parse(readFileSync(join(base, 'kustomization.yaml'), 'utf8')) as {
      readonly resources: readonly string[]
      readonly images: readonly { readonly name: string }[]
    }
    const files = globSync(`${base}/*.yaml`, { exclude: ['**/kustomization.yaml', '**/*.example.yaml'] })
    expect([...resources].sort()).toEqual(files.map((file) => basename(file)).sort())
    const used = manifests
      .filter(([file, { spec }]) => dirname(file) === base && spec?.template !== undefined)
      .map(([, manifest]) => manifest.spec.template.spec.containers[0].image as string)
    expect(used).toEqual(images.map(({ name }) => name))
  })

  test.skipIf(spawnSync('kubectl', ['version', '--client']).status !== 0)(
    'is built by kubectl, with the image in the place of its name',
    () => {
      for (const [base, kinds] of [
        ['deploy/kubernetes', ['Service', 'Deployment', 'PodDisruptionBudget', 'NetworkPolicy']],
        ['deploy/kubernetes/migrate', ['Job']],
      ] as const) {
        const built = execFileSync('kubectl', ['kustomize', base], { encoding: 'utf8' })
        const documents = parseAllDocuments(built).map((document) => document.toJS() as Manifest)
        expect(documents.map(({ kind }) => kind).sort()).toEqual([...kinds].sort())
        for (const { spec } of documents)
          for (const { image } of spec.template?.spec.containers ?? [])
            expect(image).toMatch(/^[\w.]+\/modelward:/)
      }
    },
  )
})

describe('its pods', () => {
  const user = Number(commandOf(lastOf('USER')).split(':')[0])

  test.each(pods.map((manifest) => [manifest.kind, manifest] as const))(
    '%s: are as the restricted Pod Security Standard asks, and write nowhere',
    (_kind, { spec }) => {
      const { securityContext, ...pod } = spec.template.spec
      expect(securityContext).toMatchObject({
        runAsNonRoot: true,
        runAsUser: user,
        seccompProfile: { type: 'RuntimeDefault' },
      })
      for (const container of pod.containers)
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
      expect(pod).toMatchObject({ enableServiceLinks: false, automountServiceAccountToken: false })
      for (const name of ['hostNetwork', 'hostPID', 'hostIPC', 'initContainers'])
        expect(pod).not.toHaveProperty(name)
      for (const volume of pod.volumes) expect(Object.keys(volume).at(-1)).toMatch(/^(?:projected|emptyDir)$/)
    },
  )

  test.each(pods.map((manifest) => [manifest.kind, containerOf(manifest)] as const))(
    '%s: run a command that there is, with settings that there are',
    (_kind, container) => {
      expect(commandIndex.map(({ path }) => path)).toContain(container.args.join(' '))
      const environment = placeSecrets(container, drawKubernetesSecrets())
      expect(() => loadConfig({ flags: {}, environment, workingFolder: folder })).not.toThrow()
    },
  )

  test('do not start with the example’s secrets', () => {
    const secrets = manifests.filter(([, { kind }]) => kind === 'Secret').map(([, secret]) => secret)
    const example = Object.assign({}, ...secrets.map(({ stringData }) => stringData)) as Record<
      string,
      string
    >
    const environment = placeSecrets(node, example)
    expect(() => loadConfig({ flags: {}, environment, workingFolder: folder })).toThrow(/^4 faults/)
  })

  test('mount the Secrets that the example and the command line make', () => {
    const made = manifests
      .filter(([, { kind }]) => kind === 'Secret')
      .map(([, { metadata }]) => metadata.name)
    const mounted = pods
      .flatMap(({ spec }) => spec.template.spec.volumes)
      .flatMap(({ projected }) => projected?.sources ?? [])
    expect(new Set(mounted.map(({ secret }) => secret.name))).toEqual(new Set(made))
    const [secret] = parseAllDocuments(printSecrets()).map((document) => document.toJS() as Manifest)
    expect(secret).toMatchObject({ kind: 'Secret', metadata: { name: made[0] } })
  })

  test('are started once a model may have loaded, and end once all is done', () => {
    const environment = placeSecrets(node, drawKubernetesSecrets())
    const { config } = loadConfig({ flags: {}, environment, workingFolder: folder })
    const { terminationGracePeriodSeconds, containers } = deployment.spec.template.spec
    const { startupProbe, readinessProbe, livenessProbe } = containers[0]
    const closing = config.shutdownDelay + config.shutdownGrace + closeMs
    expect(1_000 * terminationGracePeriodSeconds).toBeGreaterThan(closing)
    expect(1_000 * startupProbe.periodSeconds * startupProbe.failureThreshold).toBeGreaterThan(
      config.modelLoadDeadline,
    )
    // A node that is told to end is taken out before it stops listening.
    const noticed =
      readinessProbe.failureThreshold * (readinessProbe.periodSeconds + readinessProbe.timeoutSeconds)
    expect(config.shutdownDelay).toBeGreaterThanOrEqual(1_000 * noticed)
    const paths = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)
    expect(paths).toEqual(['/health', '/health', '/ready'])
  })

  test('have twice the memory of their heap', () => {
    const [, heap] = /^--max-old-space-size=(\d+)$/.exec(environmentOf(node)['NODE_OPTIONS'] ?? '') ?? []
    expect(node.resources.limits['memory']).toBe(`${(2 * Number(heap)) / 1_024}Gi`)
  })

  test('of nodes are found by the Service, the budget and the Deployment, and those of the Job are not', () => {
    const selectors = [
      manifestOf('Service').spec.selector,
      manifestOf('PodDisruptionBudget').spec.selector.matchLabels,
      deployment.spec.selector.matchLabels,
    ]
    for (const labels of selectors)
      expect([selects(labels, deployment), selects(labels, job)]).toEqual([true, false])
    for (const pod of pods)
      expect(selects(manifestOf('NetworkPolicy').spec.podSelector.matchLabels, pod)).toBe(true)
  })

  test('are reached at the port of the image, by its name', () => {
    const [port] = node.ports ?? []
    expect(port).toEqual({ name: 'http', containerPort: Number(commandOf(lastOf('EXPOSE'))) })
    expect(manifestOf('Service').spec.ports).toMatchObject([{ targetPort: 'http' }])
    expect(manifestOf('NetworkPolicy').spec.ingress[0].ports).toEqual([{ port: 'http' }])
  })
})

/** What `modelward secrets create --format kubernetes` prints. */
function printSecrets(): string {
  const args = [cliFile, 'secrets', 'create', '--format', 'kubernetes']
  return execFileSync(process.execPath, args, { encoding: 'utf8' })
}

/** Secrets as they are once the example is followed. */
function drawKubernetesSecrets(): Readonly<Record<string, string>> {
  return {
    ...(parse(printSecrets()) as Manifest).stringData,
    MODELWARD_DATABASE_URL: 'postgres://modelward:password@postgres.example:5432/modelward',
    MODELWARD_REDIS_URL: 'rediss://:password@redis.example:6379/0',
  }
}

/** The environment of a container, with its secrets where a folder of the test's own has them. */
function placeSecrets(
  container: Container,
  secrets: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const mount = container.volumeMounts.find(({ name }) => name === 'secrets')?.mountPath
  const own = mkdtempSync(join(folder, 'secrets-'))
  mkdirSync(own, { recursive: true })
  for (const [name, text] of Object.entries(secrets)) writeFileSync(join(own, name), text)
  const named = Object.entries(environmentOf(container)).map(([name, value]) => [
    name,
    value.replace(String(mount), own),
  ])
  return { ...readImageEnvironment(), ...Object.fromEntries(named) }
}
