import { z } from 'zod'
import { findForwardAuthFaults } from './forward-auth/find-faults.ts'
import { type ForwardAuthRules, readForwardAuth } from './forward-auth/forward-auth.ts'
import type { Settings } from './setting.ts'

/** Of what other programs ask about. */
export interface AuthSettings {
  /** By name; `default` is always among them. */
  readonly forwardAuth: ForwardAuthRules
}

/** These settings. */
export const authSettings: Settings<AuthSettings> = {
  forwardAuth: {
    schema: z
      .unknown()
      .refine((input) => findForwardAuthFaults(input).length === 0)
      .transform(readForwardAuth),
    faultsOf: findForwardAuthFaults,
    kind: 'object',
    default: {},
    placeholder: 'RULES',
    describes:
      'What a proxy may ask about before it forwards a request: rules by name, which is 1 to 32 of `a-z 0-9 . _ -`, starting with a letter. A rule has `scope` (a text, or a list of all that a key must have), `limits` and `cost` as routes of the library have them, `routes`, and `unlisted`: `guarded`, the default, or `closed`, which is 404. A route has `route`, such as `POST /v1/models/:name` or `* /files/*`; and `public`, or `scope`, `limits` and `cost` of its own. The rule `default` is `{"scope":"predict"}` unless the file says otherwise. [Forward-auth](http.md#forward-auth) has an example.',
    expected: 'an object of rules by name',
    empty: 'The rule `default` alone.',
  },
}
