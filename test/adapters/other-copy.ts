/**
 * The same classes from another copy of this package, as an app's dependency may have: loaded once
 * more under another address.
 */
const copies = { refusal: '../../src/core/refusal.ts?copy', fault: '../../src/core/fault.ts?copy' }

export const { Refusal: OtherRefusal }: typeof import('../../src/core/refusal.ts') = await import(
  copies.refusal
)
export const { Fault: OtherFault }: typeof import('../../src/core/fault.ts') = await import(copies.fault)
