import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type DriverPackage, pgPackage, redisPackage } from '../../src/storage/load-driver.ts'
import { installProject } from './install-project.ts'

const execute = promisify(execFile)

/** A stranger's project without a peer of the package, whose frameworks are too old for it. */
const stranger = installProject({
  withServer: false,
  beside: { 'express-3': 'npm:express@3', 'fastify-4': 'npm:fastify@4' },
})

/** What a program of the project's prints: what it throws, as one line. */
async function run(program: string): Promise<string> {
  const told = `
    const tell = (error) => console.log([error.code, error.message].join(' '))
    process.on('uncaughtException', tell)
    ${program}
  `
  const args = ['--input-type=module', '-e', told]
  const { stdout } = await execute(process.execPath, args, { cwd: stranger.folder })
  return stdout.trim()
}

const keyless = `
  const { createTestWard } = await import('modelward')
  const ward = await createTestWard()
`

describe('a framework', () => {
  test.each(['fastify', 'hono', 'express', 'web'])(
    'that is not installed is not asked for: modelward/%s loads, and guards apps that are given to it',
    async (name) => {
      expect(
        await run(`console.log(Object.keys(await import('modelward/${name}')).includes('callerOf'))`),
      ).toBe('true')
    },
  )

  test('that is too old is refused with what is needed: Fastify 4', async () => {
    const said = await run(`${keyless}
      const { modelward } = await import('modelward/fastify')
      const { fastify } = await import('fastify-4')
      const app = fastify()
      await app.register(modelward, { ward })
    `)
    expect(said).toMatch(
      /^FST_ERR_PLUGIN_VERSION_MISMATCH .*modelward - expected '5\.x' fastify version, '4\.\d+\.\d+' is installed$/,
    )
  })

  test('that is too old is refused with what is needed: Express 3', async () => {
    const said = await run(`${keyless}
      const { guardApp } = await import('modelward/express')
      const { default: express } = await import('express-3')
      guardApp(express(), { ward })
    `)
    expect(said).toMatch(/guardApp: expected an app of Express 5, or 4 from 4\.19 on, got another$/m)
  })
})

test.each([
  ['onnxruntime-node', "onnxModel({ name: 'a', version: 'a-1', file: './a.onnx', encode, decode: encode })"],
  [
    '@huggingface/transformers',
    "transformersModel({ name: 'a', version: 'a-1', task: 'text-classification', localModelPath: './models', model: 'a' })",
  ],
])('a model without its package %s says what to install', async (name, model) => {
  await mkdir(join(stranger.folder, 'models/a'), { recursive: true })
  await writeFile(join(stranger.folder, 'a.onnx'), '')
  await writeFile(
    join(stranger.folder, 'model.mjs'),
    `import { onnxModel, transformersModel } from 'modelward/models'
     const encode = () => ({})
     export default ${model}`,
  )
  const said = await run(`
    const { createModelRuntime } = await import('modelward/models')
    await createModelRuntime({ models: ['./model.mjs'] })
  `)
  expect(said).toMatch(
    new RegExp(
      `^model_unreadable .*expected the package ${name}, but it is not installed; run npm install ${name}$`,
    ),
  )
})

const drivers = [
  [
    'a database URL',
    pgPackage,
    'storage/postgres/postgres.js',
    "openPostgres({ url: 'postgres://127.0.0.1/app' })",
  ],
  ['a Redis URL', redisPackage, 'storage/redis/redis-line.js', 'loadRedisDriver()'],
] as const

describe.each(drivers)('%s', (setting, { name, versionMin }: DriverPackage, file, call) => {
  const folder = (): string => join(stranger.folder, 'node_modules', name)
  const open = (): Promise<string> => {
    const [load = ''] = call.split('(')
    return run(`const { ${load} } = await import('modelward/internal/${file}'); await ${call}`)
  }

  test('asks for the versions that package.json says', () => {
    const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      readonly peerDependencies: Readonly<Record<string, string>>
    }
    expect(peerDependencies[name]).toBe(`^${versionMin}.0`)
  })

  test('without its driver says what to install', async () => {
    expect(await open()).toBe(`peer_missing ${setting} needs the package ${name}: npm install ${name}`)
  })

  test('with a driver that is too old says both versions, and what to install', async () => {
    await mkdir(folder(), { recursive: true })
    try {
      const manifest = { name, version: '5.99.1', main: 'index.js', exports: './index.js' }
      await writeFile(join(folder(), 'package.json'), JSON.stringify(manifest))
      await writeFile(join(folder(), 'index.js'), 'module.exports = {}')
      expect(await open()).toBe(
        `peer_missing ${setting} needs ${name} ${versionMin} or newer, and 5.99.1 is installed: npm install ${name}@latest`,
      )
    } finally {
      await rm(folder(), { recursive: true })
    }
  })
})
