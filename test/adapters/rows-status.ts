import { keyHeader, withOtherSecret } from '../parity/ask.ts'
import type { RawRequest } from '../parity/raw-http.ts'
import type { KeyName, Row, Saying, TableWard } from './describe-rows.ts'
import { admitted, invalid, predict } from './rows-key.ts'

const hourMs = 3_600_000

/** A request with a key that is made for it, and used once before what happens to it. */
function withKey(
  happens: (ward: TableWard, id: string, text: string) => Promise<string | undefined>,
): Row['request'] {
  return async (ward) => {
    const { record, text } = await ward.keys.create({ name: 'k' })
    return predict([keyHeader((await happens(ward, record.id, text)) ?? text)])
  }
}

const says = (code: string, detail: string): Saying => ({ status: 403, code, detail })
const revoked = says('key_revoked', 'This API key has been revoked.')
const expired = says('key_expired', 'This API key has expired.')

/** Row 39: what has become of a key. */
const status: readonly Row[] = [
  {
    name: '39 revoked',
    request: withKey(async (ward, id) => void (await ward.keys.revoke(id, 'left the company')) as undefined),
    says: revoked,
  },
  {
    name: '39 revoked, with another secret: nothing of it is told',
    request: withKey(async (ward, id, text) => {
      await ward.keys.revoke(id)
      return withOtherSecret(text, ward as never)
    }),
    says: invalid,
  },
  {
    name: '39 disabled',
    request: withKey(async (ward, id) => void (await ward.keys.disable(id)) as undefined),
    says: says('key_disabled', 'This API key is disabled.'),
  },
  {
    name: '39 disabled and enabled again',
    request: withKey(async (ward, id) => {
      await ward.keys.disable(id)
      await ward.keys.enable(id)
      return undefined
    }),
    says: admitted,
  },
  {
    name: '39 expired',
    request: async (ward) => {
      const { text } = await ward.keys.create({ name: 'k', expiresAt: ward.clock() + 1_000 })
      ward.advance('1s')
      return predict([keyHeader(text)])
    },
    says: expired,
  },
  {
    name: '39 not yet valid',
    request: async (ward) => {
      const { text } = await ward.keys.create({ name: 'k', notBefore: ward.clock() + 100 * 24 * hourMs })
      return predict([keyHeader(text)])
    },
    says: says('key_not_yet_valid', 'This API key is not valid yet.'),
  },
  {
    name: '39 valid from now on',
    request: async (ward) => {
      const { text } = await ward.keys.create({ name: 'k', notBefore: ward.clock() + 1_000 })
      ward.advance('1s')
      return predict([keyHeader(text)])
    },
    says: admitted,
  },
  {
    name: '39 rotated, the old secret within the overlap',
    request: withKey(
      async (ward, id) => void (await ward.keys.rotate(id, { overlapMs: 90 * 24 * hourMs })) as undefined,
    ),
    says: admitted,
  },
  {
    name: '39 rotated, the new secret within the overlap',
    request: withKey(async (ward, id) => (await ward.keys.rotate(id, { overlapMs: hourMs })).text),
    says: admitted,
  },
  {
    name: '39 rotated, the old secret after the overlap',
    request: withKey(async (ward, id) => {
      await ward.keys.rotate(id, { overlapMs: hourMs })
      ward.advance('1h')
      return undefined
    }),
    says: says('key_expired', 'This API key was replaced by a newer one.'),
  },
  {
    name: '39 rotated, the new secret after the overlap',
    request: withKey(async (ward, id) => {
      const { text } = await ward.keys.rotate(id, { overlapMs: hourMs })
      ward.advance('1h')
      return text
    }),
    says: admitted,
  },
]

const by =
  (name: KeyName, path = '/predict'): Row['request'] =>
  (ward): RawRequest => {
    const key = keyHeader(ward.testKeys[name])
    return path === '/predict' ? predict([key]) : { method: 'GET', path, headers: [key] }
  }
const forAdmins = says('scope_missing', 'An admin key works on admin routes only.')

/** The server's route is satisfied with either of two scopes, and names both. */
const lacksScope = {
  says: says('scope_missing', 'This API key lacks the scope `predict`.'),
  butSays: {
    'the server': says('scope_missing', 'This API key lacks the scope `predict` or `predict:constant`.'),
  },
}

/** Row 40, and from where a key may come. */
const scopes: readonly Row[] = [
  {
    name: '40 a key without the scope',
    request: by('reader'),
    ...lacksScope,
  },
  {
    name: '40 a key without the scope, where none is asked',
    request: by('reader', '/unthought'),
    says: admitted,
  },
  { name: '40 an admin key on a model route', request: by('admin'), says: forAdmins },
  {
    name: '40 an admin key on a route that does not mention one',
    request: by('admin', '/unthought'),
    says: forAdmins,
  },
  { name: '40 an admin key on a public path', request: by('admin', '/health'), says: admitted },
  { name: 'a key for these addresses', request: by('local'), says: admitted },
  {
    name: 'a key for other addresses',
    request: by('elsewhere'),
    says: says('address_denied', 'This API key may not be used from this address.'),
  },
  {
    name: 'a key for other addresses, and a header that claims one',
    request: (ward) =>
      predict([
        keyHeader(ward.testKeys.elsewhere),
        ['X-Forwarded-For', '203.0.113.7'],
        ['Forwarded', 'for=203.0.113.7'],
      ]),
    says: says('address_denied', 'This API key may not be used from this address.'),
  },
]

export const statusRows: readonly Row[] = [...status, ...scopes]

/**
 * `autoError: false`: an anonymous caller passes where nothing is demanded; a wrong key is still
 * refused.
 */
export const optionalRows: readonly Row[] = [
  {
    name: 'no key, where nothing is demanded',
    request: () => ({ method: 'GET', path: '/who' }),
    says: { status: 200, body: 'anonymous' },
  },
  {
    name: 'a blank key, where nothing is demanded',
    request: () => ({ method: 'GET', path: '/who', headers: [keyHeader(' ')] }),
    says: { status: 200, body: 'anonymous' },
  },
  {
    name: 'the right key, where nothing is demanded',
    request: by('right', '/who'),
    says: { status: 200, body: 'acme' },
  },
  {
    name: 'a wrong key, where nothing is demanded',
    request: () => ({ method: 'GET', path: '/who', headers: [keyHeader('wrong')] }),
    says: invalid,
  },
  {
    name: 'a key twice, where nothing is demanded',
    request: () => ({ method: 'GET', path: '/who', headers: [keyHeader('a'), keyHeader('a')] }),
    says: { status: 400, code: 'key_ambiguous' },
  },
  {
    name: 'no key, where a scope is demanded',
    request: () => predict([]),
    says: { status: 401, code: 'key_missing' },
  },
  {
    name: 'no key, where a check is',
    request: () => ({ method: 'GET', path: '/beta' }),
    says: { status: 401, code: 'key_missing' },
  },
  {
    name: 'no key, where any key is',
    request: () => ({ method: 'GET', path: '/any' }),
    says: { status: 401, code: 'key_missing' },
  },
  {
    name: 'a key without the scope',
    request: by('reader'),
    ...lacksScope,
  },
]

const denied: Saying = { status: 403, code: 'address_denied' }

/** A request of a proxy's, with the address that it gives for its client. */
const from =
  (address: string): Row['request'] =>
  (ward) =>
    predict([keyHeader(ward.testKeys.elsewhere), ['X-Forwarded-For', address]])

/** A key for 203.0.113.0/24 and 2001:db8::/32; what load balancers write, and what attackers do. */
export const addressRows: readonly Row[] = [
  ...[
    '203.0.113.7',
    '203.0.113.7:51234',
    '::ffff:203.0.113.7',
    '[::ffff:203.0.113.7]:443',
    '2001:db8::1',
    '[2001:db8::1]',
    '[2001:db8::1]:443',
  ].map((address): Row => ({ name: `from ${address}`, request: from(address), says: admitted })),
  ...[
    '198.51.100.1',
    '198.51.100.1:51234',
    '[2001:db9::1]:443',
    'unknown',
    '_hidden:1',
    '203.0.113.7:1:2',
    '203.0.113.7]:443',
    '[203.0.113.7]:443',
    '203.0.113.0/24',
  ].map((address): Row => ({ name: `from ${address}`, request: from(address), says: denied })),
]
