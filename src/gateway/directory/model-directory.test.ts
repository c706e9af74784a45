import { expect, test } from 'vitest'
import { fakeUpstream } from '../../../test/support/test-upstream.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import { createModelDirectory } from './model-directory.ts'

/** An upstream that says its models so. */
const listing = (name: string, models: Upstream['models']): Upstream =>
  fakeUpstream({ preset: 'vllm', name }, { models })

const whereIs = async (name: string, ...upstreams: readonly Upstream[]) => {
  const { to } = await createModelDirectory([], upstreams).resolve(name, upstreams)
  return to.map(({ upstream, model }) => [upstream.settings.name, model])
}

test('an upstream that did not say its models the last time delays no call for another one’s', async () => {
  // It never answers who waits for it.
  const hanging = listing('hanging', (isPatient) =>
    isPatient ? new Promise(() => {}) : Promise.resolve(undefined),
  )
  const well = listing('well', async () => ['small', 'Large'])
  expect(await whereIs('small', hanging, well)).toEqual([['well', 'small']])
  expect(await whereIs('large', hanging, well)).toEqual([['well', 'Large']])
})

test('it is waited for where no other one has the model, and what it said before counts meanwhile', async () => {
  const back = listing('back', async (isPatient) => (isPatient ? ['old', 'new'] : ['old']))
  const well = listing('well', async () => ['old', 'small'])
  expect(await whereIs('old', back, well)).toEqual([['back', 'old']])
  expect(await whereIs('new', back, well)).toEqual([['back', 'new']])
  await expect(whereIs('none', back, well)).rejects.toMatchObject({ code: 'model_not_found' })
  const out = listing('out', async () => undefined)
  await expect(whereIs('none', out, well)).rejects.toMatchObject({ code: 'upstream_unavailable' })
})
