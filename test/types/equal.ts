/** `true` where two types are the same one, `false` otherwise: `any` equals nothing but itself. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles for `true` alone: `expectType<Equal<typeof caller, Caller>>()`. */
export declare function expectType<_Holds extends true>(): void
