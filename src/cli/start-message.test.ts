import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { findModelFaults } from '../config/gateway/find-model-faults.ts'
import { defaultOptions } from '../config/load-config.ts'
import { startMessage } from './start-message.ts'

const program = 'npx modelward'
const place = './modelward-data'
const keys = { admin: 'mw_live_admin', demo: 'mw_live_demo' }
const curlLines = (text: string): readonly string[] =>
  text.split('\n').filter((line) => line.startsWith('curl '))

describe('startMessage', () => {
  test('shows keys only where they were reported, with exactly three commands', () => {
    const address = 'http://127.0.0.1:1'
    const shown = startMessage(
      { config: defaultOptions(), address, firstKeys: { address, keys }, place, program },
      false,
    )
    expect(curlLines(shown)).toHaveLength(3)
    const file = startMessage(
      {
        config: defaultOptions(),
        address,
        firstKeys: { address, file: '/d/first-keys.json' },
        place,
        program,
      },
      false,
    )
    expect(curlLines(file)).toHaveLength(0)
    expect(file).toContain('/d/first-keys.json')
    const later = startMessage(
      { config: defaultOptions(), address, firstKeys: undefined, place, program },
      false,
    )
    expect(later.split('\n')).toHaveLength(1)
  })

  test.each([
    ['http://0.0.0.0:8000', 'http://127.0.0.1:8000/predict'],
    ['http://[::]:8000', 'http://[::1]:8000/predict'],
    ['http://10.0.0.5:8000', 'http://10.0.0.5:8000/predict'],
  ])('a server on %s is called at %s', (address, target) => {
    const shown = startMessage(
      { config: defaultOptions(), address, firstKeys: { address, keys }, place, program },
      false,
    )
    for (const line of curlLines(shown)) expect(line).toContain(` ${target} `)
  })

  test('a shell takes each command as it is, whatever the header is called', () => {
    const config = { ...defaultOptions(), keyHeader: "X'`$-Key" }
    const address = 'http://127.0.0.1:1'
    const line =
      curlLines(startMessage({ config, address, firstKeys: { address, keys }, place, program }, false))[2] ??
      ''
    const said = execFileSync('/bin/sh', ['-c', line.replace('curl', "printf '%s\\n'")]).toString()
    expect(said.split('\n')).toContain("X'`$-Key: mw_live_demo")
  })

  test('where the key travels as a bearer token, so it does in the commands', () => {
    const config = { ...defaultOptions(), scheme: ['bearer'] as const }
    const address = 'http://127.0.0.1:1'
    const [wrong] = curlLines(
      startMessage({ config, address, firstKeys: { address, keys }, place, program }, false),
    )
    expect(wrong).toContain("-H 'Authorization: Bearer wrong'")
  })

  test('a first start says where the documentation is, and how another key is made', () => {
    const config = { ...defaultOptions(), data: "/var/it's" }
    const address = 'http://0.0.0.0:8000'
    const shown = startMessage(
      { config, place: config.data, address, firstKeys: { address, keys }, program },
      false,
    )
    expect(shown).toContain('http://127.0.0.1:8000/docs; sign in there with a key')
    expect(shown).toContain(`npx modelward keys create --name "My app" --data '/var/it'\\''s'`)
  })

  test('a node of a fleet names its database, and no command with a password', () => {
    const address = 'http://127.0.0.1:1'
    const fleet = { config: defaultOptions(), place: 'db:5432/app (schema modelward)', address, program }
    const missing = startMessage({ ...fleet, firstKeys: { address, missing: true } }, false)
    expect(missing).toContain('data in db:5432/app (schema modelward)')
    expect(missing).toContain('npx modelward keys create --name admin --scope admin --database-url …')
    expect(curlLines(missing)).toEqual([])
    expect(startMessage({ ...fleet, firstKeys: { address, keys } }, false)).toContain(
      'keys create --name "My app" --database-url …',
    )
  })

  describe('in front of a model server', () => {
    const address = 'http://127.0.0.1:1'
    const upstream = { name: 'upstream', url: 'http://127.0.0.1:11434', lacksModels: false }
    const messageOf = (isOut: boolean, model: string | undefined): string => {
      const chat = { path: '/v1/chat/completions', model }
      const upstreams = { upstreams: [{ ...upstream, isOut }], chat }
      const firstKeys = { address, keys }
      return startMessage({ config: defaultOptions(), address, firstKeys, place, program, upstreams }, false)
    }

    test('the commands ask its chat route for one of its models', () => {
      const lines = curlLines(messageOf(false, "it's:3b"))
      expect(lines).toHaveLength(3)
      const said = execFileSync('/bin/sh', [
        '-c',
        lines[2]?.replace('curl', "printf '%s\\n'") ?? '',
      ]).toString()
      expect(said).toContain('http://127.0.0.1:1/v1/chat/completions')
      expect(said).toContain('mw_live_demo')
      expect(JSON.parse(said.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ model: "it's:3b" })
    })

    test('one that is out is named, and what its calls get until it is there', () => {
      const shown = messageOf(true, undefined)
      expect(shown).toContain('Upstream upstream, http://127.0.0.1:11434, is out; calls are answered 503')
      expect(shown).toContain('with one of its models for MODEL')
      expect(messageOf(false, 'm')).not.toContain('is out')
    })

    test('one of which no model is named serves none, and it says what to write', () => {
      const chat = { path: '/v1/chat/completions', model: undefined }
      const upstreams = { upstreams: [{ ...upstream, isOut: false, lacksModels: true }], chat }
      const shown = startMessage(
        { config: defaultOptions(), address, firstKeys: undefined, place, program, upstreams },
        false,
      )
      expect(shown).toContain('Upstream upstream serves only models that you name')
      const example: unknown = JSON.parse(/as (\{.*\})\./.exec(shown)?.[1] ?? '')
      expect(findModelFaults(Object(example).models)).toEqual([])
      expect(messageOf(false, 'm')).not.toContain('that you name')
    })

    test('where no chat route is open, it says what lists those that are', () => {
      const upstreams = { upstreams: [{ ...upstream, isOut: false }], chat: undefined }
      const firstKeys = { address, keys }
      const report = { config: defaultOptions(), address, firstKeys, place, program, upstreams }
      expect(curlLines(startMessage(report, false))).toEqual([])
      expect(startMessage(report, false)).toContain('npx modelward gateway routes')
    })
  })
})
