interface ErrorClass {
  readonly prototype: object
}

/** What a class compares of an error that another copy of it has made. */
export type Copied = Readonly<Record<PropertyKey, unknown>>

/**
 * Makes `instanceof` know the errors of other copies of this package: an app and one of its
 * dependencies may each have their own, and bundlers make more. Only a value that is marked by a
 * symbol, which no JSON can have, and that the class could have made itself counts as one of its
 * errors; a subclass knows only its own.
 *
 * @param isSound whether this copy could have made an error with these properties: those of a newer
 *   version may have codes that it does not know
 */
export function knowCopies(type: ErrorClass, name: string, isSound: (error: Copied) => boolean): void {
  const mark = Symbol.for(`modelward.${name}`)
  Object.defineProperty(type.prototype, mark, { value: true })
  Object.defineProperty(type, Symbol.hasInstance, {
    value: function hasInstance(this: unknown, value: unknown): boolean {
      if (Function.prototype[Symbol.hasInstance].call(this, value)) return true
      if (this !== type || typeof value !== 'object' || value === null) return false
      return mark in value && isSound(value as Copied)
    },
  })
}
