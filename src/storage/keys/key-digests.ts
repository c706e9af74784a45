import type { KeyRecord } from '../../keys/record/key-record.ts'

/** As people see it: as much as tells it from others. */
export function nameOfDigest(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, 6).toString('hex')
}

/** Whether no id and no digest of an imported key comes twice. */
export function areDistinct(records: readonly KeyRecord[]): boolean {
  const names = records.flatMap((record) => [
    record.id,
    ...(record.imported ? record.secrets.map((secret) => Buffer.from(secret.digest).toString('base64')) : []),
  ])
  return new Set(names).size === names.length
}
