import { randomBytes } from 'node:crypto'
import type { Peppers } from '../secrets/peppers.ts'
import { openBytes, sealBytes } from '../secrets/sealed-bytes.ts'

/** A new secret: 32 bytes from the CSPRNG. */
export function drawWebhookSecret(): Buffer {
  return randomBytes(32)
}

/** A secret as Standard Webhooks writes it for people and libraries: `whsec_` and base64. */
export function formatWebhookSecret(secret: Uint8Array): string {
  return `whsec_${Buffer.from(secret).toString('base64')}`
}

/**
 * Seals secrets for the store, under a key derived from the pepper: the database alone signs
 * nothing.
 */
export interface WebhookSecretSeal {
  readonly seal: (secret: Uint8Array, owner: string) => Uint8Array
  /**
   * @throws where the pepper it was sealed under is not there, or the bytes were changed or are
   *   another owner's
   */
  readonly open: (sealed: Uint8Array, owner: string) => Uint8Array
}

const purpose = 'webhook secrets v1'
const versionBytes = 4

export function createWebhookSecretSeal(peppers: Peppers): WebhookSecretSeal {
  return {
    seal(secret, owner) {
      // The pepper's version goes before: secrets outlive a change of pepper, unlike answers kept
      // for a retry.
      const version = Buffer.alloc(versionBytes)
      version.writeUInt32BE(peppers.current)
      return Buffer.concat([version, sealBytes(peppers.derive(purpose), secret, boundTo(owner))])
    },
    open(sealed, owner) {
      const version = Buffer.from(sealed).readUInt32BE(0)
      return openBytes(peppers.derive(purpose, version), sealed.subarray(versionBytes), boundTo(owner))
    },
  }
}

function boundTo(owner: string): string {
  return `webhook secret of ${owner}`
}
