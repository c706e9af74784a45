import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTarget } from './target.ts'
import { createTargetAddresses } from './target-address.ts'

const strict = { addresses: createTargetAddresses([]), allowHttp: false }
const loose = { addresses: createTargetAddresses(['127.0.0.0/8']), allowHttp: true }

const faults = [
  'expected an absolute `https` URL in ASCII',
  'expected a URL with `https`',
  'expected a URL without user name and password',
  'expected port 443, or one from 1024 on',
  'expected a URL of at most 2048 characters',
  'expected a name or an address of the public internet',
]

function faultOf(url: string, rules = strict): string | undefined {
  const parsed = parseTarget(url, rules)
  return 'fault' in parsed ? parsed.fault : undefined
}

describe('a webhook URL', () => {
  test('is taken apart once: name without its dot, port, path and query, nothing of the fragment', () => {
    expect(parseTarget('https://Hooks.Example.COM.:8443/a/b?c=d#e', strict)).toEqual({
      target: { isTls: true, host: 'hooks.example.com', port: 8443, path: '/a/b?c=d' },
    })
    expect(parseTarget('http://127.1', loose)).toEqual({
      target: { isTls: false, host: '127.0.0.1', port: 80, path: '/' },
    })
  })

  test.each([
    ['http://example.com/', 'expected a URL with `https`'],
    ['ftp://example.com/', 'expected a URL with `https`'],
    ['file:///etc/passwd', 'expected a URL with `https`'],
    ['javascript:alert(1)', 'expected a URL with `https`'],
    ['/hook', 'expected an absolute `https` URL in ASCII'],
    ['', 'expected an absolute `https` URL in ASCII'],
    ['https://', 'expected an absolute `https` URL in ASCII'],
    [' https://example.com/', 'expected an absolute `https` URL in ASCII'],
    ['https://example.com/\r\nX: y', 'expected an absolute `https` URL in ASCII'],
    ['https:\\\\example.com\\', 'expected an absolute `https` URL in ASCII'],
    ['https://ⓛocalhost/', 'expected an absolute `https` URL in ASCII'],
    ['https://me:pass@example.com/', 'expected a URL without user name and password'],
    ['https://me@example.com/', 'expected a URL without user name and password'],
    ['https://example.com:0/', 'expected port 443, or one from 1024 on'],
    ['https://example.com:25/', 'expected port 443, or one from 1024 on'],
    ['https://example.com:80/', 'expected port 443, or one from 1024 on'],
    [`https://example.com/${'a'.repeat(2_048)}`, 'expected a URL of at most 2048 characters'],
    ['https://localhost/', 'expected a name or an address of the public internet'],
    ['https://LOCALHOST./', 'expected a name or an address of the public internet'],
    ['https://%6cocalhost/', 'expected a name or an address of the public internet'],
    ['https://a.localhost/', 'expected a name or an address of the public internet'],
    ['https://[::1]/', 'expected a name or an address of the public internet'],
    ['https://[fd00:ec2::254]/', 'expected a name or an address of the public internet'],
    ['https://169.254.169.254/latest', 'expected a name or an address of the public internet'],
    ['https://a..b/', 'expected a name or an address of the public internet'],
    ['https://-a.example/', 'expected a name or an address of the public internet'],
  ])('%j is refused: %s', (url, fault) => {
    expect(faultOf(url)).toBe(fault)
  })

  test('over plain http, and to blocks that are not public, only where the deployment allows it', () => {
    for (const url of ['http://example.com/', 'http://127.0.0.1:9000/', 'http://localhost:9000/']) {
      expect(faultOf(url)).toBeDefined()
      expect(faultOf(url, loose)).toBeUndefined()
    }
    expect(faultOf('http://10.0.0.1/', loose)).toBeDefined()
    expect(faultOf('http://example.com:443/', loose)).toBe(
      'expected port 443, 80 (`http`), or one from 1024 on',
    )
  })

  test('whatever it is, gives a target or a fault that holds nothing of it, and never throws', () => {
    const url = fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string(), fc.string({ unit: 'binary' }))
    fc.assert(
      fc.property(url, (text) => {
        const parsed = parseTarget(text, strict)
        if ('target' in parsed) expect(parsed.target.path).toMatch(/^\/[!-~]*$/)
        else expect(faults).toContain(parsed.fault)
      }),
      { numRuns: 1_000 },
    )
  })
})
