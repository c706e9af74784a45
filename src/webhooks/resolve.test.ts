import { Resolver } from 'node:dns/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { resolveName, resolveTarget } from './resolve.ts'
import { createTargetAddresses } from './target-address.ts'

const { signal } = new AbortController()
const never = async (): Promise<readonly string[]> => expect.unreachable('a name server was asked')

afterEach(() => vi.restoreAllMocks())

describe('a host', () => {
  test('that is an address is that address; `localhost` is this machine, whatever a name server says', async () => {
    const addresses = createTargetAddresses(['127.0.0.1'])
    const options = { addresses, resolve: never, signal }
    expect(await resolveTarget('127.0.0.1', options)).toEqual(['127.0.0.1'])
    expect(await resolveTarget('localhost', options)).toEqual(['127.0.0.1'])
    expect(await resolveTarget('a.localhost', options)).toEqual(['127.0.0.1'])
    for (const host of ['10.0.0.1', '::1', '::ffff:10.0.0.1'])
      await expect(resolveTarget(host, options)).rejects.toMatchObject({ reason: 'address_denied' })
  })

  test('of which some addresses may be reached is reached at those, and at eight at most', async () => {
    const publicOnes = Array.from({ length: 20 }, (_, n) => `8.8.4.${n}`)
    const resolve = async () => ['10.0.0.1', ...publicOnes, '::1']
    const found = await resolveTarget('a.example', { addresses: createTargetAddresses([]), resolve, signal })
    expect(found).toEqual(publicOnes.slice(0, 8))
  })
})

describe('a name', () => {
  test('has the addresses of both families, and those of one where the other has none', async () => {
    vi.spyOn(Resolver.prototype, 'resolve4').mockResolvedValue(['8.8.8.8'] as never)
    const six = vi.spyOn(Resolver.prototype, 'resolve6').mockResolvedValue(['2606:4700::1'])
    expect(await resolveName('a.example', signal)).toEqual(['8.8.8.8', '2606:4700::1'])
    six.mockRejectedValue(new Error('ENODATA'))
    expect(await resolveName('a.example', signal)).toEqual(['8.8.8.8'])
  })

  test('that gets no answer is given up when the time is over', async () => {
    const stop = new AbortController()
    const cancel = vi.spyOn(Resolver.prototype, 'cancel')
    for (const family of ['resolve4', 'resolve6'] as const)
      vi.spyOn(Resolver.prototype, family).mockImplementation(
        () =>
          new Promise((_resolve, reject) =>
            cancel.mockImplementation(() => reject(new Error('ECANCELLED'))),
          ) as never,
      )
    vi.mocked(Resolver.prototype.resolve6).mockRejectedValue(new Error('ENODATA'))
    const asked = resolveName('a.example', stop.signal)
    stop.abort()
    expect(await asked).toEqual([])
    expect(cancel).toHaveBeenCalledTimes(1)
  })
})
