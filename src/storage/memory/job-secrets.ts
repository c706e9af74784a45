import type { WebhookSecret } from '../../webhooks/outbox.ts'

/** The secrets that owners' webhooks are signed with. */
export interface JobSecrets {
  /** Those that may sign at `now`, the newest first. */
  readonly find: (owner: string, now: number) => WebhookSecret[]
  readonly add: (secret: WebhookSecret, overlapUntil: number) => void
}

export function createJobSecrets(): JobSecrets {
  /** The newest first, two at most. */
  const secrets = new Map<string, readonly WebhookSecret[]>()
  return {
    find: (owner, now) =>
      (secrets.get(owner) ?? [])
        .filter(({ signsUntil }) => signsUntil === null || signsUntil > now)
        .map(copySecret),
    add(secret, overlapUntil) {
      const [before] = secrets.get(secret.owner) ?? []
      const overlapping = before === undefined ? [] : [endBy(before, overlapUntil)]
      secrets.set(secret.owner, [copySecret(secret), ...overlapping])
    },
  }
}

function endBy(secret: WebhookSecret, until: number): WebhookSecret {
  return { ...secret, signsUntil: Math.min(secret.signsUntil ?? until, until) }
}

/** Bytes cannot be frozen, so the store and each caller have their own. */
function copySecret(secret: WebhookSecret): WebhookSecret {
  return Object.freeze({ ...secret, sealed: new Uint8Array(secret.sealed) })
}
